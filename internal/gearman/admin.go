package gearman

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/queue"
)

// Limits of the administrative protocol.
const (
	maxTextLine = 8192 // bytes
	maxWords    = 5    // of a line; gearmand hangs up on more
)

// The answers of gearmand.
const (
	textOK         = "OK\r\n"
	textUnknownJob = "ERR UNKNOWN_JOB\r\n"
	textUnknownErr = "ERR UNKNOWN_ERROR\r\n"
	textIncomplete = "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+"
	textUnknown    = "ERR UNKNOWN_COMMAND Unknown+server+command"
	endOfList      = ".\n"
)

// task is an administrative command under way: it takes the answer to a request of
// its own, and returns what takes the next, or nil when it is done.
type task func(r *queue.Result) task

// adminCommand is a row of the table below.
type adminCommand struct {
	word string // lower case
	args int    // the fewest that make it this command
	run  func(c *conn, args [][]byte)
}

var adminCommands []adminCommand

func init() {
	adminCommands = []adminCommand{
		{"status", 0, func(c *conn, _ [][]byte) { c.askAll(c.statusLines) }},
		{"prioritystatus", 0, func(c *conn, _ [][]byte) { c.askAll(c.priorityLines) }},
		{"workers", 0, func(c *conn, _ [][]byte) { c.say(c.workerLines()) }},
		{"show", 1, (*conn).show},
		{"cancel", 2, (*conn).cancel},
		{"create", 0, (*conn).create},
		{"drop", 0, (*conn).dropFunction},
		{"maxqueue", 0, (*conn).maxQueue},
		{"getpid", 0, func(c *conn, _ [][]byte) { c.say("OK " + strconv.Itoa(os.Getpid()) + "\n") }},
		{"verbose", 0, func(c *conn, _ [][]byte) { c.say("OK " + c.door.opts.Verbose + "\n") }},
		{"version", 0, func(c *conn, _ [][]byte) { c.say("OK " + c.door.opts.Version + "\n") }},
		{"shutdown", 0, (*conn).shutdown},
	}
}

// admin does what a line asks.
func (c *conn) admin(line []byte) {
	first := !c.spoke
	c.spoke = true
	words := splitWords(line)
	if len(words) > maxWords {
		c.hangUp()
		return
	}
	for i := range adminCommands {
		a := &adminCommands[i]
		if len(words)-1 >= a.args && strings.EqualFold(string(words[0]), a.word) {
			a.run(c, words[1:])
			return
		}
	}
	c.say(textUnknown + string(words[0]) + "\r\n")
	if first && isHTTP(words) {
		// A web page can make a browser send such a request, with commands in its body.
		c.hangUp()
	}
}

// splitWords cuts a line at its spaces. A word ends at a NUL, too.
func splitWords(line []byte) (words [][]byte) {
	for {
		word, rest, more := bytes.Cut(line, []byte(" "))
		word, _, _ = bytes.Cut(word, []byte{0})
		words = append(words, word)
		if !more {
			return words
		}
		line = bytes.TrimLeft(rest, " ")
	}
}

func isHTTP(words [][]byte) bool {
	return len(words) >= 2 && (bytes.HasPrefix(words[1], []byte("/")) || bytes.HasPrefix(words[len(words)-1], []byte("HTTP/")))
}

// start asks q of the queue, and has t take the answer.
func (c *conn) start(q queue.Request, t task) {
	c.task = t
	c.owe(cmdText, 0)
	c.ask(q)
}

// ask asks the next thing of a task.
func (c *conn) ask(q queue.Request) {
	q.Seq = seqOwed
	c.do(q)
}

// incomplete says that a command lacks arguments.
func (c *conn) incomplete(word string) { c.say(textIncomplete + word + "\r\n") }

func isWord(arg []byte, word string) bool { return strings.EqualFold(string(arg), word) }

// cancel removes a job that nobody works on; its clients are told that it failed.
func (c *conn) cancel(args [][]byte) {
	if len(args) != 2 || !isWord(args[0], "job") {
		c.say(textUnknownErr)
		return
	}
	id := c.door.jobID(args[1])
	c.start(queue.Request{Op: queue.OpJobStats, ID: id}, func(r *queue.Result) task {
		s, ok := r.Info.(*queue.JobStats)
		switch {
		case !ok:
			c.out.String(textUnknownJob)
			return nil
		case s.Phase == queue.Reserved:
			c.out.String(textOK) // as gearmand; it runs on
			return nil
		}
		c.ask(queue.Request{Op: queue.OpDelete, ID: id})
		return c.sayOK
	})
}

// sayOK ends a task.
func (c *conn) sayOK(r *queue.Result) task {
	if r.Err == queue.OK {
		c.out.String(textOK)
	} else {
		c.out.String(textUnknownErr)
	}
	return nil
}

// create makes a function that exists without workers and jobs.
func (c *conn) create(args [][]byte) {
	if len(args) != 2 || !isWord(args[0], "function") {
		c.incomplete("create")
		return
	}
	function := bytes.Clone(args[1])
	if !validFunction(function) {
		c.say("ERR CREATE_FUNCTION " + string(function) + "\r\n")
		return
	}
	c.door.registry.name(function)
	c.configure(function, func(s *queue.Settings) { s.Keep = true })
}

// configure changes the settings of a function.
func (c *conn) configure(function []byte, change func(*queue.Settings)) {
	c.start(queue.Request{Op: queue.OpSettings, Queue: function}, func(r *queue.Result) task {
		s, _ := r.Info.(queue.Settings)
		change(&s)
		c.ask(queue.Request{Op: queue.OpConfigure, Queue: function, Settings: &s})
		return c.sayOK
	})
}

// maxQueue bounds the jobs of a function: all of them, or those of high, normal and
// low priority. A function that does not exist is left alone.
func (c *conn) maxQueue(args [][]byte) {
	if len(args) == 0 {
		c.incomplete("maxqueue")
		return
	}
	function := bytes.Clone(args[0])
	var limits [3]uint64
	for i, arg := range args[1:min(len(args), 4)] {
		limits[i] = uint64(max(0, int32(leadingInt(arg))))
	}
	if len(args) <= 2 {
		limits[1], limits[2] = limits[0], limits[0]
	}
	if !validFunction(function) {
		c.say(textOK)
		return
	}
	c.start(queue.Request{Op: queue.OpSettings, Queue: function}, func(r *queue.Result) task {
		s, exists := r.Info.(queue.Settings)
		if _, known := c.door.registry.known(function); !exists && !known {
			c.out.String(textOK)
			return nil
		}
		s.Max = limits
		c.ask(queue.Request{Op: queue.OpConfigure, Queue: function, Settings: &s})
		return c.sayOK
	})
}

// dropFunction removes a function and the jobs that wait in it, unless somebody works
// for it.
func (c *conn) dropFunction(args [][]byte) {
	if len(args) != 2 || !isWord(args[0], "function") {
		c.incomplete("drop")
		return
	}
	function := bytes.Clone(args[1])
	workers, known := c.door.registry.known(function)
	if !validFunction(function) {
		c.say("ERR function not found\r\n")
		return
	}
	c.start(queue.Request{Op: queue.OpQueueStats, Queue: function}, func(r *queue.Result) task {
		s, exists := r.Info.(*queue.QueueStats)
		switch {
		case !exists && !known:
			c.out.String("ERR function not found\r\n")
			return nil
		case workers > 0 || exists && s.Reserved > 0:
			c.out.String("ERR there are still connected workers or executing clients\r\n")
			return nil
		}
		c.door.registry.forget(function)
		if !exists {
			c.out.String(textOK)
			return nil
		}
		c.ask(queue.Request{Op: queue.OpPurge, Queue: function})
		return func(*queue.Result) task {
			c.ask(queue.Request{Op: queue.OpConfigure, Queue: function, Settings: &queue.Settings{}})
			return c.sayOK
		}
	})
}

// shutdown ends the server, where that is allowed.
func (c *conn) shutdown(args [][]byte) {
	switch {
	case c.door.opts.Shutdown == nil:
		c.say(textUnknown + "shutdown\r\n")
	case len(args) == 0, len(args) == 1 && isWord(args[0], "graceful"):
		c.say(textOK)
		c.door.opts.Shutdown()
	default:
		c.incomplete("shutdown")
	}
}
