package crash

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/test/daemon"
)

// TestHalfSent leaves hundreds of requests unfinished. They are closed in time, and
// who is idle, waits for a job or reads is not.
func TestHalfSent(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	s := daemon.Serve(t, t.TempDir(), "--request-timeout="+limit.String(), "--max-job-size=1GiB")
	idle, waiting := connect(t, s.Addr), connect(t, s.Addr)
	idle.must(t, "USING default", "use default")
	if err := waiting.send("reserve"); err != nil {
		t.Fatal(err)
	}
	halves := []string{"p", "put 0 0 60 5", "put 0 0 60 5\r\n", "put 0 0 60 5\r\nhel", "put 0 0 60 5\r\nhello", "put 0 0 60 5\r\nhello\r",
		"put 0 0 60 4294967295\r\n", "put 0 0 60 1000000000\r\nbegin", "use " + strings.Repeat("x", 500), "reserve-with-timeout 1\r"}
	since := time.Now()
	var conns []*conn
	for i := range 300 {
		c := connect(t, s.Addr)
		if _, err := io.WriteString(c, halves[i%len(halves)]); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	for i, c := range conns {
		c.SetReadDeadline(since.Add(answerLimit))
		if got, err := io.ReadAll(c.r); !gone(err) && err != nil || len(got) > 0 {
			t.Fatalf("%.40q: %q, %v", halves[i%len(halves)], got, err)
		}
	}
	within(t, "closing what is half sent", since, limit, 0, 3*time.Second)
	id := idle.mustPut(t, "still here")
	if r, err := waiting.readJob(); err != nil || r.id != id {
		t.Errorf("the connection that waited: %v, %v", r, err)
	}
}

// TestDeclaredLength announces bodies that never come. Memory is not set aside for
// them.
func TestDeclaredLength(t *testing.T) {
	t.Parallel()
	const conns, most = 200, 64 << 10 // KiB
	s := daemon.Serve(t, t.TempDir(), "--max-job-size=1GiB")
	c := connect(t, s.Addr)
	c.must(t, "USING default", "use default")
	before := resident(t, s)
	for i := range conns {
		size := []uint64{1 << 30, 4<<30 - 2, 4 << 30, 1<<63 - 1}[i%4]
		if _, err := fmt.Fprintf(connect(t, s.Addr), "put 0 0 60 %d\r\n%s", size, strings.Repeat("x", 1000)); err != nil {
			t.Fatal(err)
		}
	}
	c.mustPut(t, "the server goes on")
	if grown := resident(t, s) - before; grown > most {
		t.Errorf("%d announced bodies cost %d KiB", conns, grown)
	}
}

// resident is the memory of the server in KiB.
func resident(t *testing.T, s *daemon.Server) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

// TestSlowReader asks for a large job and reads the answer only after the job was
// deleted and others took its place.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	rnd := random(t)
	s := daemon.Serve(t, t.TempDir(), "--max-job-size="+strconv.Itoa(2*size))
	c, slow := connect(t, s.Addr), connect(t, s.Addr)
	body := newBody(rnd, "first", size)
	id := c.mustPut(t, body)
	if err := slow.send("peek %d", id); err != nil {
		t.Fatal(err)
	}
	// Once the first byte is there, the answer was made; its end is not in any buffer
	// of the system's.
	if _, err := slow.r.Peek(1); err != nil {
		t.Fatal(err)
	}
	c.must(t, "DELETED", "delete %d", id)
	for range 3 {
		c.must(t, "DELETED", "delete %d", c.mustPut(t, newBody(rnd, "later", len(body))))
	}
	if r, err := slow.readJob(); err != nil || r.id != id || r.body != body {
		t.Errorf("%s %d with %.40q (%d bytes), %v", r.word, r.id, r.body, len(r.body), err)
	}
}

// TestManyTubes puts a job into each of 9,999 tubes, kills the server, and takes them
// all out through one connection that watches every tube.
func TestManyTubes(t *testing.T) {
	t.Parallel()
	const tubes = 9999
	dir := t.TempDir()
	s := daemon.Serve(t, dir)
	since := time.Now()
	pipeline(t, connect(t, s.Addr), tubes, func(i int) string { return fmt.Sprintf("use tube-%d\r\nput 0 0 600 4\r\n%04d\r\n", i, i) }, "USING ", "INSERTED ")
	s.Kill()

	s = daemon.Serve(t, dir)
	c := connect(t, s.Addr)
	list, err := c.job("list-tubes")
	if n := strings.Count(list.body, "\n- "); err != nil || n != tubes+1 {
		t.Fatalf("list-tubes: %d tubes, %v", n, err)
	}
	pipeline(t, c, tubes, func(i int) string { return fmt.Sprintf("watch tube-%d\r\n", i) }, "WATCHING ")
	seen := map[string]bool{}
	for range tubes {
		r := c.mustReserve(t, 0)
		seen[r.body] = true
		c.must(t, "DELETED", "delete %d", r.id)
	}
	if len(seen) != tubes {
		t.Errorf("%d different jobs came out of %d tubes", len(seen), tubes)
	}
	if took := time.Since(since); took > answerLimit {
		t.Errorf("it took %v", took)
	}
}

// pipeline sends n requests without waiting, and reads their answers: for each, lines
// that begin with the given words.
func pipeline(t *testing.T, c *conn, n int, request func(i int) string, wants ...string) {
	t.Helper()
	c.SetDeadline(time.Now().Add(answerLimit))
	sent := make(chan error, 1)
	go func() {
		var b strings.Builder
		for i := range n {
			b.WriteString(request(i))
		}
		_, err := io.WriteString(c, b.String())
		sent <- err
	}()
	for i := range n * len(wants) {
		want := wants[i%len(wants)]
		if answer, err := c.line(); err != nil || !strings.HasPrefix(answer, want) {
			t.Fatalf("want %s, got %q, %v", want, answer, err)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// TestDescriptors has more clients than descriptors. Those that are connected are
// served, with snapshots and all, and as some leave, others get in.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := daemon.ServeCommand(dir, "--snapshot-bytes=64KiB")
	sh := append([]string{"-c", `ulimit -n 80; exec "$0" "$@"`}, cmd.Args...)
	s := daemon.Listening(t, exec.Command("/bin/sh", sh...))
	c := connect(t, s.Addr)
	c.must(t, "USING default", "use default")
	var crowd []*conn
	for range 200 {
		crowd = append(crowd, connect(t, s.Addr))
	}
	jobs := newStock()
	for range 500 {
		if answer, err := jobs.put(c, strings.Repeat("x", 1000)); err != nil || answer != "" {
			t.Fatalf("put: %q, %v:\n%s", answer, err, s.Output())
		}
	}
	for _, other := range crowd {
		other.Close()
	}
	connect(t, s.Addr).must(t, "USING default", "use default")
	s.Kill()
	jobs.check(t, connect(t, daemon.Serve(t, dir).Addr))
}
