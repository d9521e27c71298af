package gearman

import (
	"strconv"

	"github.com/millrace/millrace/internal/queue"
)

// A handle is a prefix, a colon and the job's id in decimals, 63 bytes at most. It
// says the same before and after a restart.

// maxHandle is the longest handle that gearmand and its clients keep, in bytes.
const maxHandle = 63

// maxID is the longest id in decimals.
const maxID = len("9007199254740991")

// handlePrefix makes a prefix that leaves room for any id, and ends it in a colon.
func handlePrefix(p string) string { return p[:min(len(p), maxHandle-maxID-1)] + ":" }

// appendHandle appends the handle of job id.
func (d *Door) appendHandle(b []byte, id queue.JobID) []byte {
	return strconv.AppendUint(append(b, d.prefix...), uint64(id), 10)
}

// jobID reads a handle; 0, which no job has, if it is none of ours.
func (d *Door) jobID(handle []byte) queue.JobID {
	n := len(d.prefix)
	if len(handle) <= n || len(handle) > maxHandle || string(handle[:n]) != d.prefix || handle[n] == '0' {
		return 0
	}
	var id queue.JobID
	for _, digit := range handle[n:] {
		if digit < '0' || digit > '9' || id >= queue.MaxJobID {
			return 0
		}
		id = id*10 + queue.JobID(digit-'0')
	}
	if id >= queue.MaxJobID {
		return 0
	}
	return id
}
