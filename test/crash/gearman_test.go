package crash

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/test/daemon"
)

// Types of Gearman's packets.
const (
	gearCanDo     = 1
	gearCreated   = 8
	gearGrab      = 9
	gearNoJob     = 10
	gearAssign    = 11
	gearComplete  = 13
	gearEcho      = 16
	gearEchoed    = 17
	gearSubmit    = 18
	gearmanJobs   = 10_000
	gearmanAtOnce = 100
)

// gear is a connection to the Gearman door.
type gear struct {
	net.Conn
	in *bufio.Reader
}

func dialGear(t *testing.T, s *daemon.Server) gear {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return gear{c, bufio.NewReader(c)}
}

func gearPacket(kind uint32, args ...string) []byte {
	body := strings.Join(args, "\x00")
	b := binary.BigEndian.AppendUint32([]byte("\x00REQ"), kind)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(body))), body...)
}

func (g gear) next() (kind uint32, body string, err error) {
	var head [12]byte
	if _, err := io.ReadFull(g.in, head[:]); err != nil {
		return 0, "", err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[8:]))
	_, err = io.ReadFull(g.in, b)
	return binary.BigEndian.Uint32(head[4:]), string(b), err
}

// Background jobs that were acknowledged are there after kill -9, each once, under
// their handles and in their order; also those a worker held. What it had completed
// does not come back.
func TestKillGearman(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--beanstalk", "off", "--gearman", "127.0.0.1:0", "--gearman-prefix", "H:t"}
	s := daemon.Serve(t, dir, args...)
	handles := submitAll(t, dialGear(t, s))
	w := dialGear(t, s)
	w.Write(gearPacket(gearCanDo, "f"))
	done := 0
	for range 50 {
		done += w.take(t, handles[done:], 10)
	}
	w.Write(append(gearPacket(gearGrab), gearPacket(gearEcho, "all is heard")...))
	w.expect(t, gearAssign)
	w.expect(t, gearEchoed)
	// More are on their way when it is killed.
	late := dialGear(t, s)
	for n := range gearmanAtOnce {
		late.Write(gearPacket(gearSubmit, "late", "", fmt.Sprint(n)))
	}
	late.expect(t, gearCreated)
	s.Kill()

	s = daemon.Serve(t, dir, args...)
	w = dialGear(t, s)
	w.Write(gearPacket(gearCanDo, "f"))
	for done < len(handles) {
		done += w.take(t, handles[done:], min(gearmanAtOnce, len(handles)-done))
	}
	w.Write(gearPacket(gearGrab))
	w.expect(t, gearNoJob)
}

// submitAll submits the jobs and returns their handles, in order.
func submitAll(t *testing.T, g gear) (handles []string) {
	for len(handles) < gearmanJobs {
		var batch []byte
		for n := range gearmanAtOnce {
			batch = append(batch, gearPacket(gearSubmit, "f", "", fmt.Sprint(len(handles)+n))...)
		}
		g.Write(batch)
		for range gearmanAtOnce {
			handles = append(handles, g.expect(t, gearCreated))
		}
	}
	return handles
}

// take takes and completes n jobs, which must be the first of these.
func (g gear) take(t *testing.T, handles []string, n int) int {
	t.Helper()
	g.Write(bytes.Repeat(gearPacket(gearGrab), n))
	var done []byte
	for i := range n {
		handle, _, _ := strings.Cut(g.expect(t, gearAssign), "\x00")
		if handle != handles[i] {
			t.Fatalf("got %s, want %s", handle, handles[i])
		}
		done = append(done, gearPacket(gearComplete, handle, "")...)
	}
	g.Write(done)
	return n
}

// expect returns the body of the next packet, which must be of this kind.
func (g gear) expect(t *testing.T, kind uint32) string {
	t.Helper()
	got, body, err := g.next()
	if err != nil || got != kind {
		t.Fatalf("packet %d %q (%v), want %d", got, body, err, kind)
	}
	return body
}

// SIGUSR1 ends `millrace gearmand` when the jobs that run are done, as gearmand does;
// no more are handed out meanwhile.
func TestGearmanFinishes(t *testing.T) {
	s := daemon.Listening(t, exec.Command(daemon.Millrace, "gearmand", "-L", "127.0.0.1", "-p", "0", "--verbose", "INFO"))
	w := dialGear(t, s)
	w.Write(gearPacket(gearSubmit, "f", "", "one"))
	w.Write(gearPacket(gearSubmit, "f", "", "two"))
	w.Write(gearPacket(gearCanDo, "f"))
	w.Write(gearPacket(gearGrab))
	w.expect(t, gearCreated)
	w.expect(t, gearCreated)
	handle, _, _ := strings.Cut(w.expect(t, gearAssign), "\x00")
	if err := s.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitOutput(regexp.MustCompile("ending when the jobs that run are done"), time.Minute); err != nil {
		t.Fatal(err)
	}
	w.Write(gearPacket(gearGrab))
	w.expect(t, gearNoJob)
	w.Write(gearPacket(gearComplete, handle, ""))
	if status, err := s.Wait(time.Minute); err != nil || status != 0 {
		t.Fatalf("it ended with %d (%v)", status, err)
	}
}
