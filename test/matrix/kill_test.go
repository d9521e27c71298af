package matrix

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestKill sets and takes jobs over many connections until the server is killed in
// the middle of it. Afterwards every job whose set was answered was taken before, or
// is there; a worker that confirms its reads loses none at all.
func TestKill(t *testing.T) {
	for _, reliable := range []bool{false, true} {
		t.Run(fmt.Sprintf("reliable %v", reliable), func(t *testing.T) {
			t.Parallel()
			testKill(t, reliable)
		})
	}
}

func testKill(t *testing.T, reliable bool) {
	const setters, takers, enough = 8, 3, 4000
	s := start(t)
	k := &killed{server: s, enough: make(chan struct{}), want: enough, taken: map[string]int{}}
	var running sync.WaitGroup
	for i := range setters {
		running.Go(func() { k.set(t, i) })
	}
	for range takers {
		running.Go(func() { k.take(t, reliable) })
	}
	select {
	case <-k.enough:
	case <-time.After(2 * patience):
		t.Error("too few jobs")
	}
	s.restart()
	running.Wait()
	m := &memcache{conn: s.dial(t, "memcache")}
	for body := m.take("kill", 0); body != ""; body = m.take("kill", 0) {
		k.taken[body]++
		m.done("")
	}
	lost, twice := 0, 0
	for _, body := range k.acknowledged {
		switch k.taken[body] {
		case 0:
			lost++
		case 1:
		default:
			twice++
		}
	}
	t.Logf("%d jobs acknowledged, %d lost, %d twice", len(k.acknowledged), lost, twice)
	// A get that was under way may have taken a job whose answer did not come; a
	// confirmation that was under way may not have arrived.
	if mayLose := takers; lost > mayLose || reliable && lost > 0 {
		t.Errorf("%d jobs are lost", lost)
	}
	if mayRepeat := takers; twice > mayRepeat || !reliable && twice > 0 {
		t.Errorf("%d jobs came twice", twice)
	}
}

// killed is a run that ends with the server.
type killed struct {
	*server
	want   int64
	count  atomic.Int64
	enough chan struct{} // closed when as many sets were answered as wanted

	mu           sync.Mutex
	acknowledged []string
	taken        map[string]int
}

func (k *killed) dial() (net.Conn, *bufio.Reader, error) {
	c, err := net.Dial("unix", filepath.Join(k.dir, "memcache"))
	if err != nil {
		return nil, nil, err
	}
	c.SetDeadline(time.Now().Add(2 * patience))
	return c, bufio.NewReader(c), nil
}

// set puts jobs until the connection ends.
func (k *killed) set(t *testing.T, who int) {
	c, r, err := k.dial()
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	for i := 0; ; i++ {
		body := fmt.Sprintf("%d-%d", who, i)
		fmt.Fprintf(c, "set kill 1 0 %d\r\n%s\r\n", len(body), body)
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if line != "STORED\r\n" {
			t.Errorf("set is answered by %q", line)
			return
		}
		k.mu.Lock()
		k.acknowledged = append(k.acknowledged, body)
		k.mu.Unlock()
		if k.count.Add(1) == k.want {
			close(k.enough)
		}
	}
}

// take takes jobs until the connection ends.
func (k *killed) take(t *testing.T, reliable bool) {
	c, r, err := k.dial()
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	get := "get kill\r\n"
	if reliable {
		get = "get kill/close/open\r\n"
	}
	for {
		fmt.Fprint(c, get)
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if line == "END\r\n" {
			continue
		}
		body, err := r.ReadString('\n')
		if _, endErr := r.ReadString('\n'); err != nil || endErr != nil {
			return
		}
		k.mu.Lock()
		k.taken[strings.TrimSuffix(body, "\r\n")]++
		k.mu.Unlock()
	}
}
