package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/config"
)

// Types of Gearman's packets.
const (
	canDo        = 1
	submitJob    = 7
	jobCreated   = 8
	grabJob      = 9
	noJob        = 10
	jobAssign    = 11
	workComplete = 13
	workFail     = 14
	getStatus    = 15
	submitBG     = 18
	statusRes    = 20
	submitHighBG = 32
	submitLowBG  = 34
)

// client is a connection to one of the doors.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, a net.Addr) *client {
	t.Helper()
	conn, err := net.Dial(a.Network(), a.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &client{t, conn, bufio.NewReader(conn)}
}

// line sends a line of beanstalkd's protocol, if there is one to send, and expects
// one.
func (c *client) line(send, want string) {
	c.t.Helper()
	if send != "" {
		io.WriteString(c.conn, send+"\r\n")
	}
	got, err := c.in.ReadString('\n')
	if err != nil || strings.TrimRight(got, "\r\n") != want {
		c.t.Fatalf("after %q: %q (%v), want %q", send, got, err, want)
	}
}

// send sends a packet of Gearman's protocol.
func (c *client) send(kind uint32, args ...string) {
	body := strings.Join(args, "\x00")
	b := binary.BigEndian.AppendUint32([]byte("\x00REQ"), kind)
	c.conn.Write(append(binary.BigEndian.AppendUint32(b, uint32(len(body))), body...))
}

// packet expects a packet and returns its arguments.
func (c *client) packet(kind uint32) []string {
	c.t.Helper()
	var head [12]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		c.t.Fatalf("waiting for packet %d: %v", kind, err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[8:]))
	io.ReadFull(c.in, body)
	if got := binary.BigEndian.Uint32(head[4:]); got != kind {
		c.t.Fatalf("packet %d %q, want %d", got, body, kind)
	}
	return strings.Split(string(body), "\x00")
}

// expect expects a packet with these arguments.
func (c *client) expect(kind uint32, args ...string) {
	c.t.Helper()
	if got := c.packet(kind); strings.Join(got, "|") != strings.Join(args, "|") {
		c.t.Fatalf("packet %d %q, want %q", kind, got, args)
	}
}

// bothDoors are options of a server with two doors.
func bothDoors(t *testing.T) config.Options {
	o := options(t)
	o.Gearman.Address = "unix:" + filepath.Join(t.TempDir(), "gearman")
	o.Gearman.HandlePrefix = "H:t"
	return o
}

func TestBeanstalkToGearman(t *testing.T) {
	s := start(t, bothDoors(t), io.Discard)
	b, w := dial(t, s.Beanstalk), dial(t, s.Gearman)
	b.line("use f", "USING f")
	b.line("put 2000 0 60 3\r\none", "INSERTED 1")
	b.line("put 1 0 60 3\r\ntwo", "INSERTED 2")
	b.line("put 1 100 60 5\r\nlater", "INSERTED 3")
	w.send(submitBG, "f", "", "three")
	w.expect(jobCreated, "H:t:4")
	w.send(canDo, "f")
	for _, want := range []string{"2|two", "4|three", "1|one"} {
		id, data, _ := strings.Cut(want, "|")
		w.send(grabJob)
		w.expect(jobAssign, "H:t:"+id, "f", data)
		w.send(workComplete, "H:t:"+id, "result")
	}
	w.send(grabJob)
	w.expect(noJob, "")
	b.line("peek 1", "NOT_FOUND")
	b.line("kick-job 3", "KICKED")
	w.send(grabJob)
	w.expect(jobAssign, "H:t:3", "f", "later")
	b.line("delete 3", "NOT_FOUND") // somebody else holds it
	w.conn.Close()
	w = dial(t, s.Gearman)
	w.send(canDo, "f")
	// The job comes back when the server has seen the worker go.
	b.line("watch f", "WATCHING 2")
	b.line("reserve", "RESERVED 3 5")
	b.line("", "later")
}

func TestGearmanToBeanstalk(t *testing.T) {
	s := start(t, bothDoors(t), io.Discard)
	c, b := dial(t, s.Gearman), dial(t, s.Beanstalk)
	b.line("watch f", "WATCHING 2")
	// Background.
	c.send(submitLowBG, "f", "", "low")
	low := c.packet(jobCreated)[0]
	c.send(submitHighBG, "f", "", "high")
	high := c.packet(jobCreated)[0]
	highID := strings.TrimPrefix(high, "H:t:")
	b.line("reserve", "RESERVED "+highID+" 4")
	b.line("", "high")
	c.send(getStatus, high)
	c.expect(statusRes, high, "1", "1", "0", "0")
	b.line("delete "+highID, "DELETED")
	c.send(getStatus, high)
	c.expect(statusRes, high, "0", "0", "0", "0")
	b.line("delete "+strings.TrimPrefix(low, "H:t:"), "DELETED")
	// Foreground: done, failed, and given back to a worker of its own kind.
	foreground := func() (handle, id string) {
		c.send(submitJob, "f", "", "fg")
		handle = c.packet(jobCreated)[0]
		id = strings.TrimPrefix(handle, "H:t:")
		b.line("reserve", "RESERVED "+id+" 2")
		b.line("", "fg")
		return handle, id
	}
	handle, id := foreground()
	b.line("delete "+id, "DELETED")
	c.expect(workComplete, handle, "")
	handle, id = foreground()
	b.line("bury "+id+" 1", "BURIED")
	c.expect(workFail, handle)
	handle, id = foreground()
	b.line("release "+id+" 1024 0", "RELEASED")
	w := dial(t, s.Gearman)
	w.send(canDo, "f")
	w.send(grabJob)
	w.expect(jobAssign, handle, "f", "fg")
	w.send(workComplete, handle, "r")
	c.expect(workComplete, handle, "r")
	// One that waits is deleted by somebody who does not hold it.
	c.send(submitJob, "f", "", "fg")
	handle = c.packet(jobCreated)[0]
	b.line("delete "+strings.TrimPrefix(handle, "H:t:"), "DELETED")
	c.expect(workFail, handle)
}

// A restart keeps background jobs and their handles, and ends foreground jobs, unless
// the background wants them, too.
func TestRestartAcross(t *testing.T) {
	o := bothDoors(t)
	s, err := Start(o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c, b := dial(t, s.Gearman), dial(t, s.Beanstalk)
	b.line("use f", "USING f")
	b.line("put 1024 0 60 3\r\none", "INSERTED 1")
	c.send(submitBG, "f", "key", "two")
	c.expect(jobCreated, "H:t:2")
	c.send(submitJob, "f", "", "gone")
	gone := c.packet(jobCreated)[0]
	c.send(submitJob, "f", "promoted", "three")
	promoted := c.packet(jobCreated)[0]
	c.send(submitBG, "f", "promoted", "three")
	c.expect(jobCreated, promoted)
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}

	s = start(t, o, io.Discard)
	c, b = dial(t, s.Gearman), dial(t, s.Beanstalk)
	c.send(getStatus, "H:t:2")
	c.expect(statusRes, "H:t:2", "1", "0", "0", "0")
	c.send(getStatus, gone)
	c.expect(statusRes, gone, "0", "0", "0", "0")
	// The key is still taken, and a foreground client may join the job.
	c.send(submitJob, "f", "key", "two")
	c.expect(jobCreated, "H:t:2")
	c.send(submitJob, "f", "", "new")
	if h := c.packet(jobCreated)[0]; h == gone || h == promoted {
		t.Errorf("handle %s is given out again", h)
	}
	w := dial(t, s.Gearman)
	w.send(canDo, "f")
	w.send(grabJob)
	w.expect(jobAssign, "H:t:1", "f", "one")
	b.line("watch f", "WATCHING 2")
	b.line("reserve", "RESERVED 2 3")
	b.line("", "two")
	b.line("delete 2", "DELETED")
	c.expect(workComplete, "H:t:2", "")
	w.send(grabJob)
	w.expect(jobAssign, promoted, "f", "three")
}
