package bench

import (
	"fmt"
	"time"
)

// meter measures the window of one round: what happens between the end of its
// warm-up and its own end. A nil meter measures nothing and is never over.
type meter struct {
	pid      int // the server's; 0: unknown
	warmup   time.Duration
	length   time.Duration
	count    int
	counted  step // the reply that makes a job count as done
	latency  latencyOf
	delay    time.Duration
	state    meterState
	opensAt  int64
	closesAt int64
	seen     int // jobs done since the round or, once open, the window began
	start    reading
	round    round
}

type meterState int

const (
	notBegun meterState = iota
	warming
	open
	closed
)

// round is what one round measured.
type round struct {
	jobs      int
	elapsed   time.Duration
	server    time.Duration // CPU time of the server, if its pid is known
	client    time.Duration // CPU time of this process
	memory    int64         // the server's resident bytes at the end
	latencies histogram
}

// reading is the state of the clocks at one moment.
type reading struct {
	at     int64
	server usage
	client time.Duration
}

// tolerance is how much before its time a delayed job may arrive: servers read
// their clock once for a batch of requests.
const tolerance = 10 * time.Millisecond

// replies counts n replies of the kind to a batch sent ns nanoseconds ago.
func (m *meter) replies(kind step, n int, ns int64) {
	if m == nil || n == 0 {
		return
	}
	if kind == m.counted {
		m.seen += n
	}
	if m.state == open && (m.latency == everyReply || m.latency == acks && kind != reserveStep) {
		m.round.latencies.record(ns, uint64(n))
	}
}

// reserved notes that a job put at stamp arrived at t.
func (m *meter) reserved(id uint64, stamp, t int64) error {
	if m == nil || m.latency != lateness {
		return nil
	}
	late := t - stamp - int64(m.delay)
	if late < -int64(tolerance) {
		return fmt.Errorf("job %d was put with a delay of %v, but handed out %v before it was due", id, m.delay, time.Duration(-late))
	}
	if m.state == open {
		m.round.latencies.record(late, 1)
	}
	return nil
}

// over moves the window on and says whether it has ended.
func (m *meter) over(t int64) (bool, error) {
	if m == nil {
		return false, nil
	}
	var err error
	switch m.state {
	case notBegun:
		m.state, m.opensAt = warming, t+int64(m.warmup)
	case warming:
		// A fast server must not fill its memory with jobs that do not count.
		if t >= m.opensAt || m.seen >= m.count/4 {
			m.state, m.seen, m.closesAt = open, 0, t+int64(m.length)
			m.start, err = m.read()
		}
	case open:
		if t >= m.closesAt || m.seen >= m.count {
			m.state = closed
			err = m.finish()
		}
	}
	return m.state == closed, err
}

func (m *meter) finish() error {
	end, err := m.read()
	m.round.jobs = m.seen
	m.round.elapsed = time.Duration(end.at - m.start.at)
	m.round.server = end.server.cpu - m.start.server.cpu
	m.round.client = end.client - m.start.client
	m.round.memory = end.server.memory
	return err
}

func (m *meter) read() (r reading, err error) {
	if m.pid != 0 {
		r.server, err = usageOf(m.pid)
	}
	r.client = clientCPU()
	r.at = now()
	return r, err
}
