package crash

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/test/daemon"
)

// ending matches what a server prints when it was asked to end.
var ending = regexp.MustCompile(`ending: `)

// TestDiskStalls makes each sync take seconds, with a single processor for the
// server's goroutines: one thread that blocked in a call the scheduler knows nothing
// of would stop them all. The server has to notice a signal while the disk stalls.
func TestDiskStalls(t *testing.T) {
	t.Parallel()
	const stall = 3 * time.Second
	dir, jobs := t.TempDir(), newStock()
	cmd := strace(t, exec.Command("env", append([]string{"GOMAXPROCS=1"}, daemon.ServeCommand(dir).Args...)...),
		"fdatasync,fsync", "when=150+:delay_enter="+strconv.Itoa(int(stall/time.Microsecond)))
	s := daemon.Listening(t, cmd)
	c := connect(t, s.Addr)
	pid, err := c.stat("stats", "pid")
	if err != nil {
		t.Fatal(err)
	}
	server, _ := strconv.Atoi(pid)

	// The first stalls, one for each thread that syncs, may come as a surprise.
	for range 2 {
		stallPut(t, c, jobs, stall/4)
		finishPut(t, c, jobs)
	}
	stallPut(t, c, jobs, stall/4)
	since := time.Now()
	if err := syscall.Kill(server, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitOutput(ending, stall/2); err != nil {
		t.Errorf("while the disk stalls: %v", err)
	}
	finishPut(t, c, jobs)
	if took := time.Since(since); took < stall/4 {
		t.Errorf("the put was answered %v after the signal: the disk did not stall", took)
	}
	if status, err := s.Wait(answerLimit); status != 0 || err != nil {
		t.Errorf("exit status %d, %v", status, err)
	}
	jobs.check(t, connect(t, daemon.Serve(t, dir).Addr))
}

// stallPut puts until a put is not answered for some time, and leaves it so.
func stallPut(t *testing.T, c *conn, jobs *stock, patience time.Duration) {
	t.Helper()
	for range 5000 {
		if err := c.send("put 0 0 60 1\r\nx"); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(patience))
		if _, err := c.r.Peek(1); errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		finishPut(t, c, jobs)
	}
	t.Fatal("5000 puts were answered without a stall")
}

// finishPut reads the answer to a put that was sent before.
func finishPut(t *testing.T, c *conn, jobs *stock) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(answerLimit))
	answer, err := c.line()
	if inserted(answer) == 0 {
		t.Fatalf("put: %q, %v", answer, err)
	}
	jobs.bodies[inserted(answer)] = "x"
}
