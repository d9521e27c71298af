package wal

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

var long = flag.Bool("long", false, "run the long versions of tests")

// crasher crashes the machine before every file operation of a log at work, and
// recovers from what is left while the original goes on.
type crasher struct {
	t         *testing.T
	mem       *vfs.Mem
	seed      uint64
	acked     atomic.Uint64 // last batch that the log committed
	offered   atomic.Uint64 // last batch that was appended
	mu        sync.Mutex
	snapshots map[uint64]map[uint64]string // content of each that was tried, by index
	points    int
	byOp      map[vfs.Op]int
}

func (c *crasher) hook(op vfs.Op, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.points++
	c.byOp[op]++
	rng := rand.New(rand.NewPCG(c.seed, uint64(c.points)))
	acked := c.acked.Load()
	after := c.mem.Crash(rng)
	if err := c.recovers(after, acked, rng); err != nil {
		c.t.Errorf("seed %d, crash %d, before %v of %s: %v", c.seed, c.points, op, name, err)
	}
	return nil
}

// recovers checks what a crash left, then works on it, crashes again and checks
// again.
func (c *crasher) recovers(mem *vfs.Mem, acked uint64, rng *rand.Rand) error {
	o := small(mem)
	salts := rand.New(rand.NewPCG(rng.Uint64(), 0))
	var mu sync.Mutex
	o.random = func() uint64 { mu.Lock(); defer mu.Unlock(); return salts.Uint64() }
	l, r, err := tryOpen(o)
	if err != nil {
		return err
	}
	last, err := c.holds(l, r, acked, c.offered.Load())
	if err != nil || rng.IntN(4) > 0 {
		l.Close()
		return err
	}
	for range 3 {
		last++
		l.Append(batch(last))
	}
	if !r.await(last) {
		return fmt.Errorf("lost: %w", r.lost)
	}
	again := mem.Crash(rng)
	l.Close()
	o.FS = again
	l, r, err = tryOpen(o)
	if err != nil {
		return fmt.Errorf("second crash: %w", err)
	}
	defer l.Close()
	if _, err := c.holds(l, r, last, last); err != nil {
		return fmt.Errorf("second crash: %w", err)
	}
	return nil
}

// holds checks that exactly the batches up to one between acked and offered came
// back, and returns that one.
func (c *crasher) holds(l *Log, r *recorder, acked, offered uint64) (uint64, error) {
	base := uint64(0)
	if l.snap != nil {
		base = l.snap.index
		if want := c.snapshots[base]; !maps.Equal(r.restored, want) {
			return 0, fmt.Errorf("snapshot of batch %d: %d sections are not the %d that were stored", base, len(r.restored), len(want))
		}
	}
	last := base + uint64(len(r.batches))
	if last < acked || last > offered {
		return 0, fmt.Errorf("the log ends at batch %d; %d were acknowledged and %d offered", last, acked, offered)
	}
	return last, wantBatches(r, base+1, last)
}

// run drives a log through segments and snapshots.
func (c *crasher) run(batches uint64) {
	o := small(&vfs.Faulty{FS: c.mem, Hook: c.hook})
	l, r, err := tryOpen(o)
	if err != nil {
		c.t.Error(err)
		return
	}
	r.onApply = func(index uint64) { c.acked.Store(index) }
	rng := rand.New(rand.NewPCG(c.seed, 0))
	content := map[uint64]string{}
	for n := uint64(1); n <= batches; n++ {
		c.offered.Store(n)
		l.Append(batch(n))
		if rng.IntN(3) == 0 {
			r.await(n)
		}
		if n%60 == 0 {
			r.await(n)
			c.snapshot(l, rng, n, content)
		}
	}
	if err := l.Close(); err != nil {
		c.t.Error(err)
	}
	r.check(c.t)
}

func (c *crasher) snapshot(l *Log, rng *rand.Rand, index uint64, content map[uint64]string) {
	unchanged := map[uint64]bool{}
	for key := range uint64(12) {
		if _, there := content[key]; there && rng.IntN(3) > 0 {
			unchanged[key] = true
			continue
		}
		content[key] = strings.Repeat(fmt.Sprint(key, " at ", index, ";"), rng.IntN(300))
	}
	c.mu.Lock()
	c.snapshots[index] = maps.Clone(content)
	c.mu.Unlock()
	if err := l.Snapshot(index, sections{content, unchanged}); err != nil {
		c.t.Error(err)
	}
}

func TestCrashAtEveryOperation(t *testing.T) {
	want := 4000
	if *long {
		want = 100_000
	}
	ops := map[vfs.Op]int{}
	points := 0
	for seed := uint64(1); points < want && !t.Failed(); seed++ {
		c := &crasher{t: t, mem: vfs.NewMem(), seed: seed, snapshots: map[uint64]map[uint64]string{}, byOp: ops}
		c.mem.MkdirAll(testDir)
		c.run(400)
		points += c.points
	}
	t.Logf("%d crash points: %v", points, ops)
	for _, op := range []vfs.Op{vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpRemove, vfs.OpSyncDir} {
		if ops[op] == 0 {
			t.Errorf("no crash before a %v", op)
		}
	}
}
