package gearman

import (
	"encoding/binary"
	"strconv"

	"github.com/millrace/millrace/internal/queue"
)

// The errors of the protocol, and our words for what gearmand does not refuse.
const (
	errInvalidMagic   = "INVALID_MAGIC"
	errInvalidCommand = "INVALID_COMMAND"
	errTooLarge       = "ARGUMENT_TOO_LARGE"
	errArgument       = "INVALID_ARGUMENT"
	errFunction       = "INVALID_FUNCTION_NAME"
	errQueue          = "QUEUE_ERROR"
	errNotFound       = "JOB_NOT_FOUND"

	textFunction       = "A function's name has 1 to 512 bytes"
	textPacketTooLarge = "The packet is larger than this server takes"
	textNoSpace        = "The server has no room for another job"
)

// pending is an answer that is owed. The answers come in order.
type pending struct {
	cmd  command // what is answered
	said bool    // the answer is only text
	text uint32  // bytes of conn.text that belong to it
}

// owe adds the answer to cmd to those that are owed. Its text, if it has one, is the
// last n bytes of c.text.
func (c *conn) owe(cmd command, n int) {
	c.owed = append(c.owed, pending{cmd: cmd, text: uint32(n)})
}

// say answers with text that needs nothing from the queue.
func (c *conn) say(text string) {
	c.text = append(c.text, text...)
	c.owed = append(c.owed, pending{said: true, text: uint32(len(text))})
	c.sayTexts()
}

// sayPacket answers with a packet that needs nothing from the queue.
func (c *conn) sayPacket(cmd command, data []byte) {
	n := len(c.text)
	c.text = append(appendHeader(c.text, cmd, len(data)), data...)
	c.owed = append(c.owed, pending{said: true, text: uint32(len(c.text) - n)})
	c.sayTexts()
}

// refuse answers with an error.
func (c *conn) refuse(code, text string) {
	c.line = append(append(append(c.line[:0], code...), 0), text...)
	c.sayPacket(cmdError, c.line)
}

// sayTexts gives the answers that are text alone and whose turn it is.
func (c *conn) sayTexts() {
	for c.done < len(c.owed) && c.owed[c.done].said {
		c.out.Bytes(c.takeText())
		c.done++
	}
	if c.done < len(c.owed) {
		return
	}
	c.owed, c.done = c.owed[:0], 0
	c.text, c.said = c.text[:0], 0
	if cap(c.text) > maxTextLine {
		c.text = nil
	}
	clear(c.mores)
	c.mores = c.mores[:0]
	if cap(c.mores) > keepMores {
		c.mores = nil
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
		c.large.spoiled = true
	}
	if seq != seqOwed || c.done == len(c.owed) {
		return
	}
	if r.Err == queue.ErrUnavailable {
		// There is no word for an outcome that is unknown.
		c.closing, c.task = true, nil
		c.owed = c.owed[:c.done]
		c.hangUp()
		return
	}
	if c.task != nil {
		if c.task = c.task(r); c.task != nil {
			return
		}
	} else {
		c.answer(c.owed[c.done].cmd, r)
	}
	c.done++
	c.sayTexts()
	if c.closing {
		c.hangUp()
	}
}

// answer writes the answer to cmd.
func (c *conn) answer(cmd command, r *queue.Result) {
	switch cmd {
	case cmdGrabJob, cmdGrabJobUniq, cmdGrabJobAll:
		c.assign(cmd, r)
	case cmdGetStatus, cmdGetStatusUnique:
		c.status(cmd, r)
	case cmdWorkData, cmdWorkWarning, cmdWorkStatus, cmdWorkComplete, cmdWorkFail, cmdWorkException:
		if r.Err != queue.OK {
			c.sendError(errNotFound, commands[cmd].lost)
		}
	case cmdCanDo, cmdCanDoTimeout, cmdCantDo, cmdResetAbilities, cmdPreSleep:
		// They have no answer.
	default:
		c.created(r)
	}
}

// created answers to a job that was submitted.
func (c *conn) created(r *queue.Result) {
	switch r.Err {
	case queue.OK:
		c.send(c.door.appendHandle(begin(c.line, cmdJobCreated), r.ID), queue.Body{})
	case queue.ErrQueueFull:
		c.sendError(errQueue, "Job queue is full")
	default:
		c.sendError(errQueue, textNoSpace)
	}
}

// assign gives a worker its job, if there is one.
func (c *conn) assign(cmd command, r *queue.Result) {
	if r.Err != queue.OK {
		c.send(begin(c.line, cmdNoJob), queue.Body{})
		return
	}
	x := r.Extra
	if x == nil {
		x = &noExtra
	}
	reply := cmdJobAssign
	switch {
	case cmd == cmdGrabJobAll && x.Reducer != "":
		reply = cmdJobAssignAll
	case cmd != cmdGrabJob:
		reply = cmdJobAssignUniq
	}
	b := append(c.door.appendHandle(begin(c.line, reply), r.ID), 0)
	b = append(append(b, r.Queue...), 0)
	if reply != cmdJobAssign {
		b = append(append(b, shownUnique(x.Unique)...), 0)
	}
	if reply == cmdJobAssignAll {
		b = append(append(b, x.Reducer...), 0)
	}
	c.send(b, r.Body)
	if timeout := c.timeouts[r.Queue]; timeout > 0 {
		c.do(queue.Request{Op: queue.OpTouch, ID: r.ID, TTR: timeout})
	}
}

var noExtra queue.Extra

// status tells of a job; one that is not there has zeros.
func (c *conn) status(cmd command, r *queue.Result) {
	reply := cmdStatusRes
	if cmd == cmdGetStatusUnique {
		reply = cmdStatusResUnique
	}
	b := append(begin(c.line, reply), c.takeText()...)
	s, _ := r.Info.(*queue.JobStats)
	if s == nil || r.Err != queue.OK {
		s = &queue.JobStats{}
	}
	b = appendFlag(b, s.ID != 0)
	b = appendFlag(b, s.Phase == queue.Reserved)
	b = strconv.AppendUint(append(b, 0), s.N, 10)
	b = strconv.AppendUint(append(b, 0), s.M, 10)
	if cmd == cmdGetStatusUnique {
		b = strconv.AppendUint(append(b, 0), uint64(s.Followers), 10)
	}
	c.send(b, queue.Body{})
}

// appendFlag appends a NUL and 1 or 0.
func appendFlag(b []byte, set bool) []byte {
	if set {
		return append(b, 0, '1')
	}
	return append(b, 0, '0')
}

// Event implements netserve.Conn.
func (c *conn) Event(e queue.Event, _ uint32, r *queue.Result) {
	switch e {
	case queue.EventWake:
		c.send(begin(c.line, cmdNoop), queue.Body{})
	case queue.EventData:
		c.forward(cmdWorkData, r)
	case queue.EventWarning:
		c.forward(cmdWorkWarning, r)
	case queue.EventProgress:
		c.forwardProgress(r)
	case queue.EventComplete:
		c.forward(cmdWorkComplete, r)
	case queue.EventException:
		if c.exceptions {
			c.forward(cmdWorkException, r)
			return
		}
		fallthrough
	case queue.EventFail:
		c.send(c.door.appendHandle(begin(c.line, cmdWorkFail), r.ID), queue.Body{})
	}
}

// forward passes on what a worker said.
func (c *conn) forward(cmd command, r *queue.Result) {
	c.send(append(c.door.appendHandle(begin(c.line, cmd), r.ID), 0), r.Body)
}

// forwardProgress passes on the worker's own text, or, when it was no Gearman worker,
// the numbers.
func (c *conn) forwardProgress(r *queue.Result) {
	b := append(c.door.appendHandle(begin(c.line, cmdWorkStatus), r.ID), 0)
	if r.Body.Len() == 0 {
		b = strconv.AppendUint(b, r.N, 10)
		b = strconv.AppendUint(append(b, 0), r.M, 10)
	}
	c.send(b, r.Body)
}

func (c *conn) sendError(code, text string) {
	c.send(append(append(append(begin(c.line, cmdError), code...), 0), text...), queue.Body{})
}

// begin starts a packet in scratch; send fills in its length.
func begin(scratch []byte, cmd command) []byte { return appendHeader(scratch[:0], cmd, 0) }

func appendHeader(b []byte, cmd command, size int) []byte {
	b = append(b, magicResponse...)
	b = binary.BigEndian.AppendUint32(b, uint32(cmd))
	return binary.BigEndian.AppendUint32(b, uint32(size))
}

// send writes a packet that ends in body. The scratch it was made in is kept.
func (c *conn) send(packet []byte, body queue.Body) {
	binary.BigEndian.PutUint32(packet[8:], uint32(len(packet)-headerSize+body.Len()))
	c.out.Bytes(packet)
	c.out.Body(body)
	c.line = packet
}
