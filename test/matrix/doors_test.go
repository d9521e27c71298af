package matrix

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// class is how urgent a job is, in words that every door has.
type class int

const (
	normal class = iota
	high
	low
)

// producer puts jobs through a door.
type producer interface {
	put(queue, body string, c class)
	// putLater puts a job that is ready in a second or two.
	putLater(queue, body string)
	// outcome is what the producer hears of its next job that ends; "" if it does not.
	outcome() string
}

// worker takes jobs through a door.
type worker interface {
	// take waits up to a time for a job of the queue and returns its body; "" if
	// none comes.
	take(queue string, wait time.Duration) string
	done(result string)
	// fail says that the job taken last failed; false if the door has no word for it.
	fail() bool
}

var producers = []struct {
	name     string
	volatile bool // its jobs end with the connection, and with the server
	classes  bool
	delays   bool
	follows  bool
	dial     func(*testing.T, *server) producer
}{
	{"beanstalk", false, true, true, false, func(t *testing.T, s *server) producer { return beanstalk(t, s) }},
	{"gearman background", false, true, true, false, func(t *testing.T, s *server) producer { return &gearman{conn: s.dial(t, "gearman")} }},
	{"gearman foreground", true, true, false, true, func(t *testing.T, s *server) producer {
		return &gearman{conn: s.dial(t, "gearman"), foreground: true}
	}},
	{"memcache", false, false, false, false, func(t *testing.T, s *server) producer { return &memcache{conn: s.dial(t, "memcache")} }},
}

var workers = []struct {
	name    string
	results bool
	dial    func(*testing.T, *server) worker
}{
	{"beanstalk", false, func(t *testing.T, s *server) worker { return beanstalk(t, s) }},
	{"gearman", true, func(t *testing.T, s *server) worker { return &gearman{conn: s.dial(t, "gearman")} }},
	{"memcache", false, func(t *testing.T, s *server) worker { return &memcache{conn: s.dial(t, "memcache")} }},
}

// line sends a command of a text protocol and returns the line that answers it.
func (c *conn) line(format string, args ...any) string {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		c.t.Fatal(err)
	}
	return c.readLine()
}

func (c *conn) readLine() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("%q: %v", line, err)
	}
	return strings.TrimSuffix(line, "\r\n")
}

func (c *conn) read(n int) string {
	c.t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c.r, b); err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// want sends a command and fails the test unless the answer begins as it should.
func (c *conn) want(answer, format string, args ...any) {
	c.t.Helper()
	if got := c.line(format, args...); !strings.HasPrefix(got, answer) {
		c.t.Fatalf("%q is answered by %q", fmt.Sprintf(format, args...), got)
	}
}

// beanstalkConn is a client of the beanstalk door.
type beanstalkConn struct {
	*conn
	watched, id string
}

func beanstalk(t *testing.T, s *server) *beanstalkConn {
	return &beanstalkConn{conn: s.dial(t, "beanstalk"), watched: "default"}
}

func (b *beanstalkConn) putWith(queue, body string, pri, delay int) {
	b.t.Helper()
	b.want("USING", "use %s\r\n", queue)
	b.want("INSERTED", "put %d %d 60 %d\r\n%s\r\n", pri, delay, len(body), body)
}

func (b *beanstalkConn) put(queue, body string, c class) {
	b.t.Helper()
	b.putWith(queue, body, []int{1024, 256, 65536}[c], 0)
}

func (b *beanstalkConn) putLater(queue, body string) { b.t.Helper(); b.putWith(queue, body, 1024, 1) }
func (b *beanstalkConn) outcome() string             { return "" }

func (b *beanstalkConn) take(queue string, wait time.Duration) string {
	b.t.Helper()
	if queue != b.watched {
		b.want("WATCHING", "watch %s\r\n", queue)
		b.want("WATCHING", "ignore %s\r\n", b.watched)
		b.watched = queue
	}
	answer := b.line("reserve-with-timeout %d\r\n", wait/time.Second)
	if answer == "TIMED_OUT" {
		return ""
	}
	var size int
	if _, err := fmt.Sscanf(answer, "RESERVED %s %d", &b.id, &size); err != nil {
		b.t.Fatalf("reserve is answered by %q", answer)
	}
	return strings.TrimSuffix(b.read(size+2), "\r\n")
}

func (b *beanstalkConn) done(string) { b.t.Helper(); b.want("DELETED", "delete %s\r\n", b.id) }
func (b *beanstalkConn) fail() bool {
	b.t.Helper()
	b.want("BURIED", "bury %s 0\r\n", b.id)
	return true
}

// memcache is a client of the memcache door.
type memcache struct {
	*conn
	queue string
}

func (m *memcache) put(queue, body string, _ class) {
	m.t.Helper()
	m.want("STORED", "set %s 7 0 %d\r\n%s\r\n", queue, len(body), body)
}

func (m *memcache) putLater(string, string) { m.t.Fatal("memcached has no delays") }
func (m *memcache) outcome() string         { return "" }

func (m *memcache) take(queue string, wait time.Duration) (body string) {
	m.t.Helper()
	m.queue = queue
	answer := m.line("get %s/open/t=%d\r\n", queue, wait.Milliseconds())
	if answer == "END" {
		return ""
	}
	var name string
	var flags, size int
	if _, err := fmt.Sscanf(answer, "VALUE %s %d %d", &name, &flags, &size); err != nil || name != queue {
		m.t.Fatalf("get is answered by %q", answer)
	}
	body = m.read(size)
	m.read(len("\r\nEND\r\n"))
	return body
}

func (m *memcache) done(string) { m.t.Helper(); m.want("END", "get %s/close\r\n", m.queue) }
func (m *memcache) fail() bool  { return false }

// gearman is a client or a worker of the Gearman door.
type gearman struct {
	*conn
	foreground bool
	function   string
	handle     string
}

// Packets of Gearman's protocol.
const (
	canDo         = 1
	preSleep      = 4
	noop          = 6
	submit        = 7
	created       = 8
	grab          = 9
	noJob         = 10
	assign        = 11
	workComplete  = 13
	workFail      = 14
	submitBG      = 18
	submitHigh    = 21
	workException = 25
	submitHighBG  = 32
	submitLow     = 33
	submitLowBG   = 34
	submitEpoch   = 36
)

func (g *gearman) send(kind uint32, args ...string) {
	g.t.Helper()
	data := strings.Join(args, "\x00")
	b := binary.BigEndian.AppendUint32([]byte("\x00REQ"), kind)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(data))), data...)
	if _, err := g.Write(b); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gearman) receive() (kind uint32, data string) {
	g.t.Helper()
	head := g.read(12)
	if head[:4] != "\x00RES" {
		g.t.Fatalf("no packet: %q", head)
	}
	return binary.BigEndian.Uint32([]byte(head[4:])), g.read(int(binary.BigEndian.Uint32([]byte(head[8:]))))
}

func (g *gearman) expect(kind uint32) string {
	g.t.Helper()
	got, data := g.receive()
	if got != kind {
		g.t.Fatalf("got packet %d with %q, want packet %d", got, data, kind)
	}
	return data
}

func (g *gearman) put(queue, body string, c class) {
	g.t.Helper()
	kind := []uint32{submitBG, submitHighBG, submitLowBG}[c]
	if g.foreground {
		kind = []uint32{submit, submitHigh, submitLow}[c]
	}
	g.send(kind, queue, "", body)
	g.expect(created)
}

func (g *gearman) putLater(queue, body string) {
	g.t.Helper()
	g.send(submitEpoch, queue, "", fmt.Sprint(time.Now().Unix()+2), body)
	g.expect(created)
}

func (g *gearman) outcome() string {
	g.t.Helper()
	if !g.foreground {
		return ""
	}
	kind, data := g.receive()
	_, result, _ := strings.Cut(data, "\x00")
	switch kind {
	case workComplete:
		return "complete " + result
	case workFail:
		return "fail"
	}
	g.t.Fatalf("got packet %d with %q, want the end of a job", kind, data)
	return ""
}

func (g *gearman) take(queue string, wait time.Duration) string {
	g.t.Helper()
	if g.function == "" {
		g.function = queue
		g.send(canDo, queue)
	}
	for deadline := time.Now().Add(wait); ; {
		g.send(grab)
		kind, data := g.receive()
		switch {
		case kind == assign:
			parts := strings.SplitN(data, "\x00", 3)
			g.handle = parts[0]
			return parts[2]
		case kind != noJob:
			g.t.Fatalf("got packet %d with %q for a grab", kind, data)
		case time.Now().After(deadline):
			return ""
		}
		g.send(preSleep)
		g.SetReadDeadline(deadline.Add(time.Millisecond))
		head, err := g.r.Peek(12)
		g.SetReadDeadline(time.Now().Add(patience))
		if err == nil && binary.BigEndian.Uint32(head[4:]) == noop {
			g.expect(noop)
		}
	}
}

func (g *gearman) done(result string) { g.t.Helper(); g.send(workComplete, g.handle, result) }
func (g *gearman) fail() bool         { g.t.Helper(); g.send(workFail, g.handle); return true }
