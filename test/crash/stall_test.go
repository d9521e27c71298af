package crash

import (
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
	const stall = 4 * time.Second
	dir, jobs := t.TempDir(), newStock()
	cmd := strace(t, exec.Command("env", append([]string{"GOMAXPROCS=1"}, daemon.ServeCommand(dir).Args...)...),
		"-e", "inject=fdatasync,fsync:delay_enter="+strconv.Itoa(int(stall/time.Microsecond))+":when=20+")
	s := daemon.Listening(t, cmd)
	c := connect(t, s.Addr)
	pid, err := c.stat("stats", "pid")
	if err != nil {
		t.Fatal(err)
	}
	server, _ := strconv.Atoi(pid)

	// The first sync that is slow may come as a surprise.
	for slow := false; !slow; {
		since := time.Now()
		if answer, err := jobs.put(c, "before"); answer != "" || err != nil {
			t.Fatalf("put: %q, %v", answer, err)
		}
		slow = time.Since(since) > stall/2
	}

	since := time.Now()
	if err := c.send("put 0 0 60 1\r\nx"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(server, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitOutput(ending, stall/2); err != nil {
		t.Errorf("while the disk stalls: %v", err)
	}
	if status, err := s.Wait(answerLimit); status != 0 || err != nil {
		t.Errorf("exit status %d, %v, %v after a put and SIGTERM", status, err, time.Since(since))
	}
	jobs.check(t, connect(t, daemon.Serve(t, dir).Addr))
}
