package gearman

import (
	"bytes"
	"crypto/sha256"
	"math"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// Limits of gearmand, in bytes.
const (
	maxFunction = 512
	maxUnique   = 64
)

// uniqueIsData as a unique key means that the job's data is its key.
const uniqueIsData = "-"

// dataKey begins the key of such a job, which a hash of the data completes. No client
// can send a key with a NUL in it.
const dataKey = uniqueIsData + "\x00"

// uniqueKey is the key that the queue keeps for a job.
func uniqueKey(r *request) []byte {
	switch unique := r.arg[1]; {
	case string(unique) != uniqueIsData:
		return unique
	case r.digest != nil:
		return append([]byte(dataKey), r.digest...)
	case len(r.data) == 0:
		return nil
	default:
		sum := sha256.Sum256(r.data)
		return append([]byte(dataKey), sum[:]...)
	}
}

// shownUnique is what a client sees of a key of the queue.
func shownUnique(key string) string {
	if len(key) > len(dataKey) && key[:len(dataKey)] == dataKey {
		return uniqueIsData
	}
	return key
}

// volatile says whether a job of a packet is to be kept out of the log.
func (d *Door) volatile(cmd command) bool {
	return commands[cmd].foreground && !d.opts.DurableForeground
}

// submit puts a job.
func (c *conn) submit(r *request) {
	if code, text := c.door.unfit(r); code != "" {
		c.dropUpload()
		c.refuse(code, text)
		return
	}
	q, m, err := c.door.put(r)
	if err != nil {
		c.dropUpload()
		c.refuse(errArgument, err.Error())
		return
	}
	if len(m.Unique) > 0 || len(m.Reducer) > 0 || m.Attempts > 0 || m.ReadyAt != 0 {
		q.More = c.moreFor(m)
	}
	c.mention(r.arg[0])
	c.owe(r.cmd, 0)
	c.do(q)
}

// put makes the request that puts the job of r.
func (d *Door) put(r *request) (q queue.Request, m queue.More, err error) {
	s := &commands[r.cmd]
	q = queue.Request{
		Op: queue.OpPut, Seq: seqOwed, Queue: r.arg[0], Pri: s.pri, Body: r.data, Upload: r.upload,
	}
	if s.foreground {
		q.Flags = queue.FlagFollow
	}
	if d.volatile(r.cmd) {
		q.Flags |= queue.FlagVolatile
	}
	m = queue.More{Unique: uniqueKey(r), Attempts: d.opts.Attempts}
	switch r.cmd {
	case cmdSubmitReduceJob, cmdSubmitReduceJobBG:
		m.Reducer = r.arg[2]
	case cmdSubmitJobEpoch:
		m.ReadyAt = epoch(leadingInt(r.arg[2]))
	case cmdSubmitJobSched:
		var at time.Time
		if at, err = d.nextTime(r); err == nil {
			m.ReadyAt = at.UnixNano()
		}
	}
	return q, m, err
}

// unfit says what is wrong with the lengths in r, if anything is.
func (d *Door) unfit(r *request) (code, text string) {
	switch {
	case !validFunction(r.arg[0]):
		return errFunction, textFunction
	case len(r.arg[1]) > maxUnique:
		return errTooLarge, "Unique value too large"
	case (r.cmd == cmdSubmitReduceJob || r.cmd == cmdSubmitReduceJobBG) && len(r.arg[2]) > maxFunction:
		return errTooLarge, "Reducer's name is too large"
	}
	return "", ""
}

func validFunction(name []byte) bool { return len(name) > 0 && len(name) <= maxFunction }

// epoch makes nanoseconds of seconds since 1970; 0 when the time is past for sure.
func epoch(seconds int64) int64 {
	switch {
	case seconds <= 0:
		return 0
	case seconds > math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	}
	return seconds * int64(time.Second)
}

// nextTime is when a job of SUBMIT_JOB_SCHED is to run.
func (d *Door) nextTime(r *request) (time.Time, error) {
	s, err := parseSchedule(r.arg[2:7])
	if err != nil {
		return time.Time{}, err
	}
	return s.next(d.opts.Clock())
}

// mention tells the registry of a function, unless it did last.
func (c *conn) mention(function []byte) {
	if !bytes.Equal(c.named, function) {
		c.named = append(c.named[:0], function...)
		c.door.registry.name(function)
	}
}

// getStatus asks for the state of a job by its handle or its unique key.
func (c *conn) getStatus(r *request) {
	c.text = append(c.text, r.arg[0]...)
	c.owe(r.cmd, len(r.arg[0]))
	if r.cmd == cmdGetStatusUnique {
		c.do(queue.Request{Op: queue.OpFind, Seq: seqOwed, Body: r.arg[0]})
		return
	}
	c.do(queue.Request{Op: queue.OpJobStats, Seq: seqOwed, ID: c.door.jobID(r.arg[0])})
}

// echo sends back what came.
func (c *conn) echo(r *request) {
	if c.done == len(c.owed) {
		c.send(begin(c.line, cmdEchoRes), queue.Body{Inline: r.data, Chunks: r.chunks})
		return
	}
	data := append(c.line[:0], r.data...)
	for _, chunk := range r.chunks {
		data = append(data, chunk...)
	}
	c.sayPacket(cmdEchoRes, data)
}

// option turns on the one option there is.
func (c *conn) option(r *request) {
	if !bytes.EqualFold(r.arg[0], []byte("exceptions")) {
		c.refuse("UNKNOWN_OPTION", "Server does not recognize given option")
		return
	}
	c.exceptions = true
	c.sayPacket(cmdOptionRes, r.data)
}
