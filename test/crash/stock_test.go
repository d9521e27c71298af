package crash

import (
	"strings"
	"testing"
	"time"
)

// stock is jobs that one client put, one after the other, for tests in which no
// request is under way when something happens.
type stock struct {
	bodies  map[uint64]string // acknowledged and not deleted
	deleted []uint64          // acknowledged
}

func newStock() *stock { return &stock{bodies: map[uint64]string{}} }

// put puts a job and notes it if it is taken. The answer to a put that is not is
// returned; err says that the connection is gone.
func (s *stock) put(c *conn, body string) (answer string, err error) {
	id, answer, err := c.put(0, 0, 600, body)
	if err == nil && id != 0 {
		s.bodies[id], answer = body, ""
	}
	return answer, err
}

// fill puts until a put is not taken, at most n times.
func (s *stock) fill(t *testing.T, c *conn, n, size int) (answer string, err error) {
	t.Helper()
	for range n {
		if answer, err = s.put(c, strings.Repeat("x", size)); err != nil || answer != "" {
			return answer, err
		}
	}
	t.Fatalf("%d puts of %d bytes were all taken", n, size)
	return "", nil
}

// work reserves and deletes n jobs.
func (s *stock) work(t *testing.T, c *conn, n int) {
	t.Helper()
	for range n {
		r := c.mustReserve(t, 1)
		if body, ok := s.bodies[r.id]; !ok || body != r.body {
			t.Fatalf("job %d with body %.40q was never put", r.id, r.body)
		}
		c.must(t, "DELETED", "delete %d", r.id)
		delete(s.bodies, r.id)
		s.deleted = append(s.deleted, r.id)
	}
}

// missing compares a server with the stock: every job with its body, none that was
// deleted. It returns the jobs that are not there.
func (s *stock) missing(t *testing.T, c *conn) (ids []uint64) {
	t.Helper()
	for id, body := range s.bodies {
		r, err := c.job("peek %d", id)
		switch {
		case err != nil:
			t.Fatal(err)
		case r.word == "NOT_FOUND":
			ids = append(ids, id)
		case r.word != "FOUND" || r.body != body:
			t.Errorf("peek %d: %s with %.40q, not %.40q", id, r.word, r.body, body)
		}
	}
	for _, id := range s.deleted {
		c.must(t, "NOT_FOUND", "peek %d", id)
	}
	return ids
}

// check is missing for a server that must have everything.
func (s *stock) check(t *testing.T, c *conn) {
	t.Helper()
	if ids := s.missing(t, c); len(ids) > 0 {
		t.Errorf("%d of %d jobs are lost: %v", len(ids), len(s.bodies), ids)
	}
}

// wait lets a second pass, by the server's own clock, in a tube without jobs.
func wait(t *testing.T, c *conn) {
	t.Helper()
	c.must(t, "WATCHING 2", "watch silence")
	c.must(t, "WATCHING 1", "ignore default")
	c.must(t, "TIMED_OUT", "reserve-with-timeout 1")
	c.must(t, "WATCHING 2", "watch default")
	c.must(t, "WATCHING 1", "ignore silence")
}

// within says whether what began at since took as long as it should, give or take.
func within(t *testing.T, what string, since time.Time, want, early, late time.Duration) {
	t.Helper()
	if took := time.Since(since); took < want-early || took > want+late {
		t.Errorf("%s took %v, not %v", what, took, want)
	}
}
