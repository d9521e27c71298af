package beanstalk

import (
	"strconv"

	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/queue"
)

// The words of the protocol that no row of the table of commands holds.
const (
	wordBadFormat      = "BAD_FORMAT\r\n"
	wordUnknownCommand = "UNKNOWN_COMMAND\r\n"
	wordExpectedCRLF   = "EXPECTED_CRLF\r\n"
	wordJobTooBig      = "JOB_TOO_BIG\r\n"
	wordDraining       = "DRAINING\r\n"
	wordOutOfMemory    = "OUT_OF_MEMORY\r\n"
	wordUsing          = "USING "

	wordHello = "HELLO millrace "
	wordBatch = "BATCH "
	// extensionNames is what hello says this version can do.
	extensionNames = " put-ms release-ms reserve-ms pause-ms put-batch reserve-batch clear-tube job-doors"
)

// errorWord gives an error of the queue its word.
func errorWord(err queue.Error) string {
	switch err {
	case queue.ErrNotFound:
		return "NOT_FOUND\r\n"
	case queue.ErrNotIgnored:
		return "NOT_IGNORED\r\n"
	case queue.ErrTimedOut:
		return "TIMED_OUT\r\n"
	case queue.ErrDeadlineSoon:
		return "DEADLINE_SOON\r\n"
	case queue.ErrNoSpace, queue.ErrQueueFull:
		return wordOutOfMemory
	}
	return "INTERNAL_ERROR\r\n"
}

// owe adds the answer to cmd to those that are owed. Its text, if it has one, is
// the last n bytes of c.text.
func (c *conn) owe(cmd command, n int) {
	c.owed = append(c.owed, pending{cmd: cmd, text: uint16(n)})
	c.sayTexts()
}

// say answers with a line that needs nothing from the queue.
func (c *conn) say(line string) {
	c.text = append(c.text, line...)
	c.owe(cmdNone, len(line))
}

// sayTexts gives the answers that are text alone and whose turn it is.
func (c *conn) sayTexts() {
	for c.done < len(c.owed) && c.owed[c.done].cmd == cmdNone {
		c.out.Bytes(c.takeText())
		c.done++
	}
	if c.done == len(c.owed) {
		c.owed, c.done = c.owed[:0], 0
		c.text, c.said = c.text[:0], 0
	}
}

// takeText gives the text of the answer whose turn it is.
func (c *conn) takeText() []byte {
	from := c.said
	c.said += int(c.owed[c.done].text)
	return c.text[from:c.said]
}

// Result implements netserve.Conn.
func (c *conn) Result(seq uint32, r *queue.Result) {
	if seq == seqChunk && r.Err != queue.OK {
		c.spoiled = true
	}
	if seq != seqOwed || c.done == len(c.owed) {
		return
	}
	s := &commands[c.owed[c.done].cmd]
	if s.form == formBatch {
		if c.batchJob(r) {
			return
		}
	} else if r.Err != queue.OK {
		c.takeText()
		c.replyError(r.Err)
	} else {
		c.reply(s, r)
	}
	c.done++
	if s.alone {
		c.blocked = false
	}
	c.sayTexts()
	if c.closing {
		c.hangUp()
	}
}

// reply writes a good answer.
func (c *conn) reply(s *spec, r *queue.Result) {
	switch s.form {
	case formWord:
		c.out.String(s.reply)
	case formText:
		c.out.Bytes(c.takeText())
	case formID:
		c.out.Bytes(c.numberLine(s.reply, uint64(r.ID)))
	case formN:
		if s.op == queue.OpWatch || s.op == queue.OpIgnore {
			c.watched = r.N
		}
		c.out.Bytes(c.numberLine(s.reply, r.N))
	case formJob:
		tube := ""
		if s.extension {
			tube = r.Queue
		}
		if s.op == queue.OpReserveJob {
			c.becomeWorker()
		}
		c.replyJob(s.reply, r, tube)
	case formDoors:
		info := r.Info.(*queue.JobStats)
		c.out.String(s.reply + doorName(info.PutBy) + " " + doorName(info.HeldBy) + "\r\n")
	case formNames, formStats:
		c.replyYAML(r.Info)
	}
}

// doorName is a door's name; "-" when it is not known, or nobody took the job yet.
func doorName(s queue.Source) string {
	if name := netserve.SourceName(s); name != "" {
		return name
	}
	return "-"
}

// replyError writes the word for err. When the outcome is unknown there is no
// word for it, and the connection ends without one.
func (c *conn) replyError(err queue.Error) {
	if err == queue.ErrUnavailable {
		c.closing = true
		c.owed = c.owed[:c.done+1]
		return
	}
	c.out.String(errorWord(err))
}

// replyJob writes a job, and its tube if there is one to be told.
func (c *conn) replyJob(word string, r *queue.Result, tube string) {
	b := append(c.line[:0], word...)
	b = strconv.AppendUint(b, uint64(r.ID), 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(r.Body.Len()), 10)
	if tube != "" {
		b = append(b, ' ')
		b = append(b, tube...)
	}
	c.line = append(b, "\r\n"...)
	c.out.Bytes(c.line)
	c.out.Body(r.Body)
	c.out.String("\r\n")
}

// numberLine makes a line of a word and a number, valid until the next.
func (c *conn) numberLine(word string, n uint64) []byte {
	b := append(c.line[:0], word...)
	b = strconv.AppendUint(b, n, 10)
	c.line = append(b, "\r\n"...)
	return c.line
}

// oweUsing owes the line that names the tube in use.
func (c *conn) oweUsing(cmd command) {
	b := append(c.line[:0], wordUsing...)
	if len(c.used) == 0 {
		b = append(b, queue.DefaultQueue...)
	}
	b = append(b, c.used...)
	c.line = append(b, "\r\n"...)
	c.text = append(c.text, c.line...)
	c.owe(cmd, len(c.line))
}
