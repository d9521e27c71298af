package crash

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/test/daemon"
)

// TestLeasePrecision lets 60 leases of a second run out, each with another worker
// waiting for the job.
func TestLeasePrecision(t *testing.T) { // not parallel: it measures
	const tries, prompt, late = 60, 50 * time.Millisecond, time.Second
	s := daemon.Serve(t, t.TempDir())
	var (
		busy sync.WaitGroup
		mu   sync.Mutex
		slow int
	)
	for i := range tries {
		holder, waiter := connect(t, s.Addr), connect(t, s.Addr)
		busy.Go(func() {
			over, err := handOver(holder, waiter, fmt.Sprint("tube", i))
			mu.Lock()
			defer mu.Unlock()
			if err != nil || over > late {
				t.Errorf("try %d: %v after the end of the lease, %v", i, over, err)
			} else if over > prompt {
				slow++
			}
		})
	}
	busy.Wait()
	// A busy machine may hold back a few, not the most.
	if slow > tries/10 {
		t.Errorf("%d of %d jobs came more than %v after the end of their lease", slow, tries, prompt)
	}
}

// handOver says how long after the end of a lease of one second a waiting worker
// had the job. A job that comes too early is an error.
func handOver(holder, waiter *conn, tube string) (time.Duration, error) {
	for _, command := range []string{"use " + tube, "watch " + tube, "put 0 0 1 1\r\nx"} {
		if _, err := holder.call("%s", command); err != nil {
			return 0, err
		}
	}
	if _, err := waiter.call("watch %s", tube); err != nil {
		return 0, err
	}
	before := time.Now()
	held, err := holder.job("reserve")
	if err != nil {
		return 0, err
	}
	after := time.Now()
	got, err := waiter.job("reserve")
	if err != nil {
		return 0, err
	}
	if got.word != "RESERVED" || got.id != held.id {
		return 0, fmt.Errorf("%s %d came, not job %d", got.word, got.id, held.id)
	}
	if time.Since(before) < time.Second {
		return 0, fmt.Errorf("the lease ended after %v", time.Since(before))
	}
	return time.Since(after) - time.Second, nil
}

// TestClockJumps starts servers whose clocks differ by an hour and by ten years on
// the same directory. Time goes on as if nothing had happened: it never goes back.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	const hour, decade = "1h", "87600h"
	for _, jumps := range [][]string{{"0s", "-" + hour}, {"0s", "-" + decade}, {hour, "0s"}, {decade, "0s"}, {"0s", hour}, {"0s", decade}} {
		t.Run(jumps[0]+" to "+jumps[1], func(t *testing.T) {
			t.Parallel()
			testClockJump(t, jumps[0], jumps[1])
		})
	}
}

func testClockJump(t *testing.T, from, to string) {
	const late = 700 * time.Millisecond
	dir := t.TempDir()
	s := daemon.Serve(t, dir, "--clock-offset="+from)
	c := connect(t, s.Addr)
	soon, _, _ := c.put(0, 2, 1, "soon")
	c.must(t, "USING aside", "use aside")
	hours, _, _ := c.put(0, 20*3600, 1, "in 20 hours")
	s.Kill()

	s = daemon.Serve(t, dir, "--clock-offset="+to)
	c = connect(t, s.Addr)
	since := time.Now()
	if r := c.mustReserve(t, 5); r.id != soon {
		t.Errorf("job %d came, not %d", r.id, soon)
	}
	if time.Since(since) > 2*time.Second+late {
		t.Errorf("a delay of 2 s took %v after the jump", time.Since(since))
	}
	since = time.Now()
	if r := connect(t, s.Addr).mustReserve(t, 5); r.id != soon {
		t.Errorf("job %d came, not %d", r.id, soon)
	}
	within(t, "a lease of 1 s", since, time.Second, 50*time.Millisecond, late)
	if _, err := c.call("delete %d", soon); err != nil {
		t.Fatal(err)
	}
	left, err := c.stat(fmt.Sprintf("stats-job %d", hours), "time-left")
	if err != nil {
		t.Fatal(err)
	}
	var seconds int
	fmt.Sscan(left, &seconds)
	if seconds > 20*3600 {
		t.Errorf("a delay of 20 hours has become %d s", seconds)
	}
	since = time.Now()
	c.must(t, "USING empty", "use empty")
	id, _, _ := c.put(0, 1, 60, "later")
	c.must(t, "WATCHING 2", "watch empty")
	c.must(t, "WATCHING 1", "ignore default")
	if r := c.mustReserve(t, 5); r.id != id {
		t.Errorf("job %d came, not %d", r.id, id)
	}
	within(t, "a delay of 1 s", since, time.Second, 50*time.Millisecond, late)
}
