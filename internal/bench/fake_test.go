package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is as much of a beanstalkd as a run needs. Its mutate may spoil a reply, or
// say with "" that the connection be closed.
type fake struct {
	address string
	mutate  func(reply string) string

	mu    sync.Mutex
	more  *sync.Cond // a job became ready, or a connection closed
	ready map[string][]fakeJob
	left  map[uint64]fakeJob // all jobs that are not deleted
	last  uint64
	early bool // delays are ignored
}

type fakeJob struct {
	id   uint64
	tube string
	body []byte
}

// startFake serves until the test is over; the changes are made before it starts.
func startFake(t *testing.T, changes ...func(*fake)) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{address: l.Addr().String(), ready: map[string][]fakeJob{}, left: map[uint64]fakeJob{}}
	f.more = sync.NewCond(&f.mu)
	f.mutate = func(reply string) string { return reply }
	for _, change := range changes {
		change(f)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(c)
		}
	}()
	return f
}

// fakeConn is one client.
type fakeConn struct {
	*fake
	lines  chan fakeRequest
	closed bool
	use    string
	watch  []string
	held   map[uint64]fakeJob
}

type fakeRequest struct {
	words []string
	body  []byte
}

func (f *fake) serve(c net.Conn) {
	defer c.Close()
	fc := &fakeConn{fake: f, lines: make(chan fakeRequest, 1000), use: "default", watch: []string{"default"}, held: map[uint64]fakeJob{}}
	go fc.read(c)
	for r := range fc.lines {
		reply := fc.answer(r)
		if reply != "" {
			reply = f.mutate(reply)
		}
		if reply == "" {
			break
		}
		io.WriteString(c, reply)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range fc.held {
		f.ready[j.tube] = append(f.ready[j.tube], j)
	}
	f.more.Broadcast()
}

// read goes on while a reserve waits, so that the end of the connection is seen.
func (c *fakeConn) read(from io.Reader) {
	defer func() {
		c.mu.Lock()
		c.closed = true
		c.more.Broadcast()
		c.mu.Unlock()
		close(c.lines)
	}()
	in := bufio.NewReader(from)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		r := fakeRequest{words: strings.Fields(line)}
		if r.words[0] == "put" {
			n, _ := strconv.Atoi(r.words[4])
			r.body = make([]byte, n+2)
			if _, err := io.ReadFull(in, r.body); err != nil {
				return
			}
			r.body = r.body[:n]
		}
		c.lines <- r
	}
}

func (c *fakeConn) answer(r fakeRequest) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.words[0] {
	case "use":
		c.use = r.words[1]
		return "USING " + c.use + "\r\n"
	case "watch":
		c.watch = append(c.watch, r.words[1])
	case "ignore":
		c.watch = slices.DeleteFunc(c.watch, func(t string) bool { return t == r.words[1] })
	case "put":
		return c.put(r)
	case "reserve":
		return c.reserve()
	case "delete":
		id, _ := strconv.ParseUint(r.words[1], 10, 64)
		if _, ok := c.held[id]; !ok {
			return "NOT_FOUND\r\n"
		}
		delete(c.held, id)
		delete(c.left, id)
		return "DELETED\r\n"
	}
	return fmt.Sprintf("WATCHING %d\r\n", len(c.watch))
}

func (c *fakeConn) put(r fakeRequest) string {
	c.last++
	j := fakeJob{c.last, c.use, r.body}
	c.left[j.id] = j
	delay, _ := strconv.Atoi(r.words[2])
	if c.early {
		delay = 0
	}
	if delay == 0 {
		c.enter(j)
	} else {
		time.AfterFunc(time.Duration(delay)*time.Second, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.enter(j)
		})
	}
	return fmt.Sprintf("INSERTED %d\r\n", j.id)
}

func (c *fakeConn) enter(j fakeJob) {
	c.ready[j.tube] = append(c.ready[j.tube], j)
	c.more.Broadcast()
}

func (c *fakeConn) reserve() string {
	for !c.closed {
		for _, t := range c.watch {
			if jobs := c.ready[t]; len(jobs) > 0 {
				j := jobs[0]
				c.ready[t] = jobs[1:]
				c.held[j.id] = j
				return fmt.Sprintf("RESERVED %d %d\r\n%s\r\n", j.id, len(j.body), j.body)
			}
		}
		c.more.Wait()
	}
	return ""
}

// jobs is how many are in the server.
func (f *fake) jobs() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.left)
}
