// Package engine runs the core in turns: it gives requests their order and their
// time, their records to the log, and their answers back when the log has them.
//
// A request is executed at once, in order of arrival; what comes of it is held
// until the batch with its records is committed. So nothing leaves the server that
// is uncommitted or rests on something uncommitted.
package engine

import (
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// Options are what an Engine is made of.
type Options struct {
	Log    Log          // nil: jobs are in memory only
	Logger *slog.Logger // nil: discards
	// Wall reads wall time; nil: time.Now. Deadlines do not depend on it, except those
	// given as wall time.
	Wall func() time.Time
	// SnapshotBytes is how much is logged between two snapshots; 0: 256 MiB.
	SnapshotBytes int64
	// MaxUncommitted is how many bytes may wait for the log before ports are
	// Congested; 0: 16 MiB.
	MaxUncommitted int64
}

// Engine is the queue with its log and its clock.
type Engine struct {
	opts Options
	log  Log

	// committing is held to hand a batch to the log, so that batches reach it in the
	// order they were made. It comes before mu.
	committing sync.Mutex

	mu      sync.Mutex
	changed sync.Cond // under mu: holding or flights changed
	state   *queue.State
	clock   clock
	opened  bool // the log was
	closing bool // no snapshot begins
	leading bool
	begun   uint64 // the epoch whose first batch is on its way
	failed  error
	ports   []*Port
	ticker  ticker
	turn    uint64   // the last one that was ended
	active  bool     // something happened since
	flights []flight // turns that are not published, in order
	spare   [][]byte // buffers of batches
	holding bool     // no request runs: a view is about to be taken
	viewing bool     // a snapshot is being written
	logged  int64    // bytes since the last snapshot
	written int64    // bytes of the last snapshot that were not in the one before
	tried   int64    // engine's clock at the last try of one
	index   uint64   // of the last batch applied

	uncommitted atomic.Int64
	published   atomic.Uint64 // the last turn whose output may leave
	ledOnce     chan struct{}
	down        chan struct{} // closed when failed is set
	snapshots   sync.WaitGroup
}

// flight is a turn on its way to be published.
type flight struct {
	turn  uint64
	batch []byte // nil: it made no records
	epoch uint64
	seq   uint64
	done  bool
}

// New returns an engine that Start sets going.
func New(o Options) *Engine {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.SnapshotBytes == 0 {
		o.SnapshotBytes = 256 << 20
	}
	if o.MaxUncommitted == 0 {
		o.MaxUncommitted = 16 << 20
	}
	e := &Engine{opts: o, log: o.Log, state: queue.New(o.Log != nil), ledOnce: make(chan struct{}), down: make(chan struct{})}
	e.changed.L = &e.mu
	e.clock.start(o.Wall())
	e.ticker.init()
	return e
}

// Open opens the log and takes what it holds. Requests are served while this node
// leads: on one node at once, in a group when it is elected.
func (e *Engine) Open() error {
	if err := e.open(); err != nil {
		return err
	}
	e.startTicker()
	return nil
}

// Start is Open, and returns when requests are served.
func (e *Engine) Start() error {
	if err := e.open(); err != nil {
		return err
	}
	select {
	case <-e.ledOnce:
	case <-e.down:
		return e.Failed()
	}
	e.startTicker()
	return nil
}

func (e *Engine) open() error {
	if e.log == nil {
		e.lead()
	} else if err := e.log.Open(machine{e}); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opened = true
	return nil
}

// Leading says whether requests are served here.
func (e *Engine) Leading() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.leading
}

// lead begins to serve. mu is held, or nobody else is there.
func (e *Engine) lead() {
	e.leading = true
	e.clock.continueFrom(e.state.Now())
	e.arm()
	select {
	case <-e.ledOnce:
	default:
		close(e.ledOnce)
	}
}

// Down is closed when the log has failed for good; Failed says why.
func (e *Engine) Down() <-chan struct{} { return e.down }

// Failed returns why the engine no longer serves, or nil.
func (e *Engine) Failed() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed
}

// Running is how many jobs are reserved.
func (e *Engine) Running() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.Counts().Reserved
}

// Digest sums up the facts, see queue.State.Digest.
func (e *Engine) Digest() [32]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.Digest()
}

// Close stops the clock, lets a snapshot under way end and closes the log. Turns
// that were committed are safe.
func (e *Engine) Close() error {
	e.ticker.stop()
	e.mu.Lock()
	e.closing = true
	e.mu.Unlock()
	e.snapshots.Wait()
	if e.log == nil {
		return nil
	}
	return e.log.Close()
}

// setTime reads the clock for a run of requests: once for each batch, whose
// records then carry one time. mu is held.
func (e *Engine) setTime() {
	if e.state.Pending() == 0 {
		e.state.SetTime(e.clock.now(), e.opts.Wall().UnixNano())
	}
}

// commit ends a turn: the records made so far go to the log. It returns the turn's
// number.
func (e *Engine) commit() uint64 {
	if e.log == nil {
		return 0
	}
	e.committing.Lock()
	defer e.committing.Unlock()
	e.mu.Lock()
	turn := e.endTurn()
	snapshot := e.leading && e.snapshotDue()
	e.mu.Unlock()
	if snapshot {
		e.takeSnapshot()
	}
	return turn
}

// endTurn gives what was decided to the log, or asks it to confirm a turn that
// decided nothing. committing and mu are held; mu is let go meanwhile.
func (e *Engine) endTurn() uint64 {
	if !e.active {
		return e.turn
	}
	e.active = false
	e.turn++
	turn := e.turn
	if !e.leading {
		return turn
	}
	b, ok := e.state.TakeBatch()
	f := flight{turn: turn, epoch: b.Epoch, seq: b.Seq}
	if ok {
		f.batch = queue.AppendBatch(e.buffer(), b)
		e.uncommitted.Add(int64(len(f.batch)))
	}
	e.flights = append(e.flights, f)
	e.mu.Unlock()
	if ok {
		e.log.Append(f.batch)
	} else {
		e.log.Confirm(turn)
	}
	e.mu.Lock()
	return turn
}

func (e *Engine) buffer() []byte {
	if n := len(e.spare); n > 0 {
		b := e.spare[n-1]
		e.spare = e.spare[:n-1]
		return b[:0]
	}
	return nil
}

// keptBuffer bounds the batch buffers that are kept for the next batch.
const keptBuffer = 1 << 20

// publish lets the output leave of every turn that is done and has none before it
// that is not. mu is held.
func (e *Engine) publish() {
	n := 0
	for n < len(e.flights) && e.flights[n].done {
		if b := e.flights[n].batch; b != nil {
			e.uncommitted.Add(-int64(len(b)))
			if cap(b) <= keptBuffer && len(e.spare) < 16 {
				e.spare = append(e.spare, b)
			}
		}
		n++
	}
	if n == 0 {
		return
	}
	e.published.Store(e.flights[n-1].turn)
	e.flights = append(e.flights[:0], e.flights[n:]...)
	for _, p := range e.ports {
		p.notify()
	}
	e.changed.Broadcast()
}

// machine is the engine as its log sees it.
type machine struct{ *Engine }

func (m machine) Restore(r SnapshotReader) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Lose() // a node that follows may have sessions, which are to hear of it
	m.deliver(nil)
	m.state = m.state.Successor()
	m.logged = 0
	restorer := queue.NewRestorer(m.state)
	for {
		key, section, err := r.Next()
		if errors.Is(err, io.EOF) {
			restorer.Done()
			return nil
		}
		if err == nil {
			err = restorer.Section(key, section)
		}
		if err != nil {
			return err
		}
	}
}

func (m machine) Apply(index, term uint64, batch []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := queue.DecodeBatch(batch)
	if err != nil {
		return err
	}
	m.index = index
	m.logged += int64(len(batch))
	if f := m.ownFlight(term, b); f != nil {
		f.done = true
		m.publish()
		return nil
	}
	if err := m.state.ApplyBatch(term, b); err != nil {
		return err
	}
	if b.Seq == 0 && b.Epoch == m.begun && m.state.Epoch() == b.Epoch {
		m.lead()
	}
	if m.opened && !m.leading && m.snapshotDue() {
		m.startSnapshot() // who follows keeps its own log short
	}
	return nil
}

// ownFlight returns the turn that b is the batch of, if this node made it in the
// epoch that lasts: its records were applied when they were decided. Under another
// term it is void, here as on every node.
func (m machine) ownFlight(term uint64, b queue.Batch) *flight {
	if !m.leading || term != 0 && term != b.Epoch {
		return nil
	}
	for i := range m.flights {
		f := &m.flights[i]
		if f.batch != nil && !f.done {
			if f.epoch == b.Epoch && f.seq == b.Seq {
				return f
			}
			return nil
		}
	}
	return nil
}

func (m machine) Confirmed(turn uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.flights {
		if m.flights[i].turn == turn {
			m.flights[i].done = true
		}
	}
	m.publish()
}

// Lead begins an epoch: requests are served once its first batch is committed.
func (m machine) Lead(term uint64) {
	m.mu.Lock()
	if term == 0 {
		term = m.state.Epoch() + 1
	}
	m.begun = term
	m.clock.continueFrom(m.state.Now())
	m.state.SetTime(m.clock.now(), m.opts.Wall().UnixNano())
	batch := queue.AppendBatch(nil, m.state.BeginEpoch(term))
	m.mu.Unlock()
	m.log.Append(batch)
}

func (m machine) Lost(err error) (rebuild bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leading = false
	if m.failed == nil && !errors.Is(err, ErrLeadershipLost) {
		m.opts.Logger.Error("the log has failed: nothing more is acknowledged", "error", err)
		m.failed = err
		close(m.down)
	}
	m.begun = 0
	rebuild = m.state.Pending() > 0
	for _, f := range m.flights {
		rebuild = rebuild || f.batch != nil && !f.done
	}
	m.flights = nil
	m.uncommitted.Store(0)
	m.state.Lose()
	m.deliver(nil)
	if rebuild {
		m.state = m.state.Successor()
	}
	m.changed.Broadcast()
	return rebuild
}
