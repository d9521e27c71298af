package binlog

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// Job is one job of a binlog. Its body stays in the file: see Backlog.Body.
type Job struct {
	ID      uint64
	Tube    string
	Phase   queue.Phase // Ready, Delayed or Buried
	Pri     uint32
	Delay   time.Duration // as it was put or released; ReadyAt is what counts
	TTR     time.Duration
	Created time.Time
	ReadyAt time.Time // of a delayed job
	Size    int64     // of the body, in bytes, without its CRLF

	Reserves, Timeouts, Releases, Buries, Kicks uint32

	file   int   // index in Backlog.files
	offset int64 // of the body
	buried uint64
}

const (
	maxName = 200 // the longest name of a tube, in bytes
	// nameBytes are those that a tube's name consists of.
	nameBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-+/;.$_()"
	// maxID is the largest id the core has room for: see queue.JobID.
	maxID = 1<<40 - 1
)

// format is what differs between the versions.
type format struct {
	lengthSize int           // of the length of a name, in bytes
	jobSize    int           // of the job, in bytes
	unit       time.Duration // of times
}

var formats = map[int32]format{
	5: {lengthSize: 8, jobSize: 77, unit: time.Microsecond},
	7: {lengthSize: 4, jobSize: 80, unit: time.Nanosecond},
}

// The states of a job, as numbers in a record.
const (
	stateInvalid = iota // deleted
	stateReady
	stateReserved
	stateBuried
	stateDelayed
)

// jobRecord is the fixed part of a record.
type jobRecord struct {
	job      Job
	state    byte
	bodySize int32 // with the CRLF
}

// parse reads the fixed part of a record: a C struct, aligned to 8 bytes.
func (f format) parse(b []byte) jobRecord {
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	r := jobRecord{state: b[76], bodySize: int32(u32(32))}
	r.job = Job{
		ID: u64(0), Pri: u32(8), Delay: f.duration(u64(16)), TTR: f.duration(u64(24)), Size: int64(r.bodySize) - 2,
		Created:  time.Unix(0, int64(f.duration(u64(40)))),
		ReadyAt:  time.Unix(0, int64(f.duration(u64(48)))),
		Reserves: u32(56), Timeouts: u32(60), Releases: u32(64), Buries: u32(68), Kicks: u32(72),
	}
	return r
}

// duration saturates: a damaged record may hold anything.
func (f format) duration(n uint64) time.Duration {
	if n > uint64(math.MaxInt64/int64(f.unit)) {
		return math.MaxInt64
	}
	return time.Duration(n) * f.unit
}

// phase is the one that a job in the given state has once beanstalkd is gone:
// whoever held it holds it no more.
func phase(state byte) (queue.Phase, error) {
	switch state {
	case stateReady, stateReserved:
		return queue.Ready, nil
	case stateBuried:
		return queue.Buried, nil
	case stateDelayed:
		return queue.Delayed, nil
	}
	return queue.PhaseNone, fmt.Errorf("job state %d is unknown", state)
}
