package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// queueServer answers set, get and delete as a server of queues does. mutate changes
// its answers.
type queueServer struct {
	address string
	mutate  func(string) string

	mu   sync.Mutex
	jobs map[string][]string
}

func startQueueServer(t *testing.T, mutate func(string) string) *queueServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	q := &queueServer{address: l.Addr().String(), mutate: mutate, jobs: map[string][]string{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go q.serve(c)
		}
	}()
	return q
}

func (q *queueServer) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		var verb, key string
		line, err := r.ReadString('\n')
		if n, _ := fmt.Sscan(line, &verb, &key); err != nil || n != 2 {
			return
		}
		answer := q.do(verb, key, line, r)
		if q.mutate != nil {
			answer = q.mutate(answer)
		}
		io.WriteString(c, answer)
	}
}

func (q *queueServer) do(verb, key, line string, r *bufio.Reader) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch jobs := q.jobs[key]; {
	case verb == "set":
		var size int
		fmt.Sscanf(line, "set "+key+" 0 0 %d", &size)
		body := make([]byte, size+2)
		io.ReadFull(r, body)
		q.jobs[key] = append(jobs, string(body[:size]))
		return "STORED\r\n"
	case verb == "delete":
		delete(q.jobs, key)
		return "DELETED\r\n"
	case len(jobs) == 0:
		return "END\r\n"
	default:
		q.jobs[key] = jobs[1:]
		return fmt.Sprintf("VALUE %s 0 %d\r\n%s\r\nEND\r\n", key, len(jobs[0]), jobs[0])
	}
}

func TestMemcache(t *testing.T) {
	for _, depth := range []int{1, 7} {
		q, other := startQueueServer(t, nil), startQueueServer(t, nil)
		o := small(q.address)
		o.Versus, o.Protocol, o.Depth = other.address, Memcache, depth
		report, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range report.Rows {
			if row.Result.Jobs == 0 || row.Result.Rate == 0 || row.Result.Latency.P50 <= 0 || row.Ratio == nil {
				t.Errorf("%s: nothing was measured: %+v", row.Scenario, row.Result)
			}
		}
		q.mu.Lock()
		for key, jobs := range q.jobs {
			if len(jobs) > 0 {
				t.Errorf("depth %d: %d jobs were left in %s", depth, len(jobs), key)
			}
		}
		q.mu.Unlock()
	}
}

func TestBadMemcache(t *testing.T) {
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	for name, c := range map[string]struct {
		mutate func(string) string
		want   string
	}{
		"refuses a set":  {replace("STORED", "NOT_STORED"), `expected "STORED", received "NOT_STORED"`},
		"has nothing":    {replace("VALUE ", "END\r\n"), "was it set by somebody else?"},
		"another body":   {replace("millrace\r", "m!llrace\r"), "was it set by somebody else?"},
		"an extra reply": {replace("STORED\r\n", "STORED\r\nSTORED\r\n"), "which nothing asked for"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := startQueueServer(t, c.mutate)
			o := small(q.address)
			o.Protocol, o.Scenarios = Memcache, []string{"cycle"}
			if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), q.address) {
				t.Errorf("error %v; want one that names the server and says %q", err, c.want)
			}
		})
	}
	o := small("127.0.0.1:1")
	o.Protocol, o.Scenarios = Memcache, []string{"delayed"}
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "has no scenario") {
		t.Errorf("error %v", err)
	}
}
