package matrix

import (
	"fmt"
	"testing"
	"time"
)

// cells runs a test for each door that puts and each that works, on one server.
func cells(t *testing.T, test func(t *testing.T, queue string, p, w int)) {
	cellsOf(t, func(int) bool { return true }, test)
}

// cellsOf leaves out the doors that put but cannot do what is tested.
func cellsOf(t *testing.T, can func(p int) bool, test func(t *testing.T, queue string, p, w int)) {
	for p := range producers {
		for w := range workers {
			if !can(p) {
				continue
			}
			t.Run(producers[p].name+" to "+workers[w].name, func(t *testing.T) {
				test(t, fmt.Sprintf("q-%d-%d", p, w), p, w)
			})
		}
	}
}

// Jobs come in the order they were put, and once.
func TestOrder(t *testing.T) {
	s := start(t)
	cells(t, func(t *testing.T, queue string, p, w int) {
		from, to := producers[p].dial(t, s), workers[w].dial(t, s)
		for i := range 20 {
			from.put(queue, fmt.Sprint("job ", i), normal)
		}
		for i := range 20 {
			if got := to.take(queue, patience); got != fmt.Sprint("job ", i) {
				t.Fatalf("job %d is %q", i, got)
			}
			to.done("")
			if got := from.outcome(); producers[p].follows && got != "complete " {
				t.Fatalf("job %d ended with %q", i, got)
			}
		}
		if got := to.take(queue, 0); got != "" {
			t.Errorf("a job came twice: %q", got)
		}
	})
}

// A worker that waits is given a job as it is put.
func TestWaiting(t *testing.T) {
	s := start(t)
	cells(t, func(t *testing.T, queue string, p, w int) {
		from, to := producers[p].dial(t, s), workers[w].dial(t, s)
		got := make(chan string)
		go func() { got <- to.take(queue, patience) }()
		from.put(queue, "hello", normal)
		if body := <-got; body != "hello" {
			t.Errorf("got %q", body)
		}
		to.done("")
	})
}

// Urgent jobs come first, whoever put them.
func TestPriority(t *testing.T) {
	s := start(t)
	for w := range workers {
		t.Run("to "+workers[w].name, func(t *testing.T) {
			queue := fmt.Sprint("pri-", w)
			var from []producer
			for p := range producers {
				from = append(from, producers[p].dial(t, s))
			}
			var want [3][]string
			for _, c := range []class{low, normal, high} {
				for p := range producers {
					if c != normal && !producers[p].classes {
						continue
					}
					body := fmt.Sprintf("%d by %s", c, producers[p].name)
					from[p].put(queue, body, c)
					want[c] = append(want[c], body)
				}
			}
			to := workers[w].dial(t, s)
			for _, c := range []class{high, normal, low} {
				for i, body := range want[c] {
					if got := to.take(queue, patience); got != body {
						t.Fatalf("job %d of its class is %q, want %q", i, got, body)
					}
					to.done("")
				}
			}
		})
	}
}

// A job that is put for later does not come before its time, and then does.
func TestDelay(t *testing.T) {
	s := start(t)
	cellsOf(t, func(p int) bool { return producers[p].delays }, func(t *testing.T, queue string, p, w int) {
		t.Parallel()
		from, to := producers[p].dial(t, s), workers[w].dial(t, s)
		began := time.Now()
		from.putLater(queue, "later")
		from.put(queue, "now", normal)
		if got := to.take(queue, patience); got != "now" {
			t.Fatalf("got %q first", got)
		}
		to.done("")
		if got := to.take(queue, patience); got != "later" || time.Since(began) < 900*time.Millisecond {
			t.Errorf("got %q after %v", got, time.Since(began))
		}
		to.done("")
	})
}

// Who follows a job hears how it ended, whichever door it was worked through.
func TestOutcome(t *testing.T) {
	s := start(t)
	cellsOf(t, func(p int) bool { return producers[p].follows }, func(t *testing.T, queue string, p, w int) {
		from, to := producers[p].dial(t, s), workers[w].dial(t, s)
		from.put(queue, "good", normal)
		to.take(queue, patience)
		to.done("result")
		want := "complete "
		if workers[w].results {
			want += "result"
		}
		if got := from.outcome(); got != want {
			t.Errorf("a job that is done ends with %q, want %q", got, want)
		}
		from.put(queue, "bad", normal)
		to.take(queue, patience)
		if to.fail() {
			if got := from.outcome(); got != "fail" {
				t.Errorf("a job that failed ends with %q", got)
			}
		}
	})
}

// closer is what every client is.
type closer interface{ Close() error }

// A worker that goes leaves its job to the next, through another door.
func TestWorkerGone(t *testing.T) {
	s := start(t)
	cells(t, func(t *testing.T, queue string, p, w int) {
		from := producers[p].dial(t, s)
		from.put(queue, "one", normal)
		from.put(queue, "two", normal)
		first := workers[w].dial(t, s)
		if got := first.take(queue, patience); got != "one" {
			t.Fatalf("got %q", got)
		}
		first.(closer).Close()
		// The server may not have seen it go.
		next := workers[(w+1)%len(workers)].dial(t, s)
		got := next.take(queue, patience)
		if got == "two" {
			next.done("")
			got = next.take(queue, patience)
		}
		if got != "one" {
			t.Errorf("got %q", got)
		}
		next.done("")
	})
}

// What was acknowledged is there after kill -9; what was put in the foreground is
// not.
func TestRestart(t *testing.T) {
	const jobs = 200
	s := start(t)
	cells(t, func(t *testing.T, queue string, p, w int) {
		from := producers[p].dial(t, s)
		for i := range jobs {
			from.put(queue, fmt.Sprint("job ", i), normal)
		}
	})
	s.restart()
	cells(t, func(t *testing.T, queue string, p, w int) {
		to := workers[w].dial(t, s)
		if producers[p].volatile {
			if got := to.take(queue, 0); got != "" {
				t.Errorf("a job survived whose client is gone: %q", got)
			}
			return
		}
		for i := range jobs {
			if got := to.take(queue, patience); got != fmt.Sprint("job ", i) {
				t.Fatalf("job %d is %q", i, got)
			}
			to.done("")
		}
	})
	s.restart()
	cells(t, func(t *testing.T, queue string, p, w int) {
		if got := workers[w].dial(t, s).take(queue, 0); got != "" {
			t.Errorf("a job came back that was done: %q", got)
		}
	})
}
