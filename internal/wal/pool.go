package wal

import (
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// spareSegments is how many segments are kept ahead of the current one: the next,
// and the one kept for deletes should the disk be full.
const spareSegments = 2

// keptSegments is how many dropped segments wait to be recycled: about as many as
// are filled until the next snapshot drops some.
const keptSegments = 4

// pool makes segments ahead of their use, so that space is secured before it is
// needed, and takes back those that a snapshot made unneeded.
type pool struct {
	fs     vfs.FS
	dir    string
	target int64         // size of a segment, in bytes
	retry  time.Duration // while the disk is full
	random func() uint64
	logger *slog.Logger
	failed func(error) // is told of an error other than a full disk

	mu       sync.Mutex
	ready    sync.Cond  // something below has changed
	spares   []*segment // in order of number
	dropped  []unneeded // segments to be recycled or removed
	next     uint64     // number of the next segment
	grown    int64      // size of the last one, in bytes
	attempts uint64     // to make a segment, that failed for lack of space
	err      error

	full  atomic.Bool  // the last attempt failed for lack of space
	tight atomic.Bool  // the last attempt did not get all it wanted: little space is left
	used  atomic.Int64 // bytes of the segments in use
	left  atomic.Int64 // bytes not yet used of the current one
	spare atomic.Int64 // bytes of the spares

	poke    chan struct{}
	quit    chan struct{}
	stopped chan struct{}
}

// unneeded is a segment whose batches are all in a snapshot.
type unneeded struct {
	number uint64
	size   int64 // in bytes
}

// start begins to make spares in the background. At least one is tried for at
// once, so that a log can always tell whether there is room.
func (p *pool) start() error {
	p.ready.L = &p.mu
	p.poke, p.quit, p.stopped = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	p.tight.Store(p.grown < min(firstSegment, p.target)) // so it was when the last one was made
	if len(p.spares) == 0 {
		if err := p.add(min(firstSegment, p.target), minSegment); err != nil && !vfs.IsNoSpace(err) {
			return err
		}
	}
	p.account()
	go p.run()
	p.wake()
	return nil
}

func (p *pool) stop() {
	close(p.quit)
	<-p.stopped
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = ErrClosed
	p.ready.Broadcast()
}

func (p *pool) quitting() bool {
	select {
	case <-p.quit:
		return true
	default:
		return false
	}
}

func (p *pool) wake() {
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

func (p *pool) run() {
	defer close(p.stopped)
	timer := time.NewTimer(p.retry)
	wanted := spareSegments
	for !p.quitting() {
		p.fill(wanted)
		timer.Stop()
		if p.tight.Load() {
			timer.Reset(p.retry)
		}
		select {
		case <-p.poke:
			wanted = spareSegments
		case <-timer.C:
			wanted = math.MaxInt // until one is as large as it should be
		case <-p.quit:
		}
	}
}

// fill makes spares until there are as many as wanted, or, beyond the usual number,
// until space is plenty. Then it removes what is left over.
func (p *pool) fill(wanted int) {
	for {
		p.mu.Lock()
		have, size := len(p.spares), p.wanted()
		missing := have < spareSegments || p.tight.Load() && (have < wanted || len(p.dropped) > 0)
		smallest := int64(minSegment)
		if have >= spareSegments {
			smallest = size // what is left of a full disk is left to snapshots
		}
		stop := p.err != nil
		p.mu.Unlock()
		if stop || p.quitting() {
			return
		}
		if !missing {
			break
		}
		if err := p.add(size, smallest); err != nil {
			p.report(err)
			return
		}
	}
	p.removeDropped(keptSegments)
	if !p.secureReserve() { // which is worth more than old segments
		p.removeDropped(0)
		p.secureReserve()
	}
}

// wanted is the size of the next segment, in p.mu: that of a small log grows.
func (p *pool) wanted() int64 { return min(max(4*p.grown, firstSegment), p.target) }

// add makes one spare, of the given size if the disk has it, or down to smallest.
func (p *pool) add(size, smallest int64) error {
	s, err := p.make(size, smallest)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		if vfs.IsNoSpace(err) {
			p.attempts++
			p.tight.Store(true)
			if !p.full.Swap(true) {
				p.logger.Warn("no space for the log's next segment: jobs are refused once what is left is used up; free space on the disk", "dir", p.dir, "error", err)
			}
		}
		return err
	}
	if p.full.Swap(false) {
		p.logger.Info("the log has room again", "dir", p.dir)
	}
	p.tight.Store(s.size < size)
	p.spares = append(p.spares, s)
	p.next++
	p.grown = s.size
	p.account()
	p.ready.Broadcast()
	return nil
}

// report ends the log for an error that more space does not cure.
func (p *pool) report(err error) {
	p.mu.Lock()
	final := p.err == nil && err != nil && err != ErrClosed && !vfs.IsNoSpace(err)
	if final {
		p.err = err
	}
	p.ready.Broadcast()
	p.mu.Unlock()
	if final {
		p.failed(err)
	}
}

// make recycles a dropped segment of at least that size, creates one, or makes do
// with what there is.
func (p *pool) make(size, smallest int64) (*segment, error) {
	if s, err := p.recycle(size); s != nil || err != nil {
		return s, err
	}
	var full error
	for ; size >= smallest; size /= 2 {
		s, err := p.create(size)
		if err == nil || !vfs.IsNoSpace(err) {
			return s, err
		}
		full = err
	}
	if s, err := p.recycle(0); s != nil || err != nil {
		return s, err
	}
	return nil, full
}

func (p *pool) create(size int64) (*segment, error) {
	tmp := fileName(p.dir, p.next, tmpSuffix)
	f, err := p.fs.Create(tmp)
	if err != nil {
		return nil, err
	}
	s, err := p.finish(f, tmp, size)
	if err == nil {
		err = secure(f, segmentHeader, size, p.quitting)
	}
	if err == nil {
		err = p.publish(s, tmp)
	}
	if err != nil {
		f.Close()
		p.fs.Remove(tmp)
		return nil, err
	}
	return s, nil
}

// recycle makes a segment of a dropped one of at least the given size. It returns
// nil if there is none.
func (p *pool) recycle(size int64) (*segment, error) {
	old, ok := p.pick(max(size, minSegment))
	if !ok {
		return nil, nil
	}
	name, tmp := fileName(p.dir, old.number, logSuffix), fileName(p.dir, p.next, tmpSuffix)
	f, err := p.fs.Open(name)
	if err != nil {
		return nil, err
	}
	s, err := p.reuse(f, name, tmp, old.size)
	if err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

func (p *pool) pick(size int64) (unneeded, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.dropped, func(u unneeded) bool { return u.size >= size })
	if i < 0 {
		return unneeded{}, false
	}
	u := p.dropped[i]
	p.dropped = slices.Delete(p.dropped, i, i+1)
	return u, true
}

// reuse gives a dropped segment its new header. It loses its old name durably
// first: no crash may leave the new content under it.
func (p *pool) reuse(f vfs.File, name, tmp string, size int64) (*segment, error) {
	if err := p.fs.Rename(name, tmp); err != nil {
		return nil, err
	}
	if err := p.fs.SyncDir(p.dir); err != nil {
		return nil, err
	}
	s, err := p.finish(f, tmp, size)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = p.publish(s, tmp)
	}
	return s, err
}

// finish writes the header of the next segment.
func (p *pool) finish(f vfs.File, tmp string, size int64) (*segment, error) {
	random := p.random()
	s := &segment{number: p.next, name: fileName(p.dir, p.next, logSuffix), file: f, size: size, salt: newSalt(random)}
	_, err := f.WriteAt(segmentHeaderBlock(s.number, random), 0)
	return s, err
}

// publish gives a segment whose content is durable its name.
func (p *pool) publish(s *segment, tmp string) error {
	if err := p.fs.Rename(tmp, s.name); err != nil {
		return err
	}
	return p.fs.SyncDir(p.dir)
}

// removeDropped removes what will not be recycled: all but so many of the large.
func (p *pool) removeDropped(kept int) {
	p.mu.Lock()
	var keep, remove []unneeded
	for _, u := range p.dropped {
		if u.size >= p.wanted() && len(keep) < kept {
			keep = append(keep, u)
		} else {
			remove = append(remove, u)
		}
	}
	p.dropped = keep
	p.mu.Unlock()
	for _, u := range remove {
		if err := p.fs.Remove(fileName(p.dir, u.number, logSuffix)); err != nil {
			p.report(err)
		}
	}
}

// take returns the next segment. While another can be made, the last spare is not
// given away but waited for: it is what deletes are written to on a full disk.
func (p *pool) take() (*segment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for before := p.attempts; ; {
		p.wake()
		have := len(p.spares)
		switch {
		case p.err != nil:
			return nil, p.err
		case have >= spareSegments, have > 0 && p.full.Load():
			s := p.spares[0]
			p.spares = append(p.spares[:0:0], p.spares[1:]...)
			p.left.Store(s.size - segmentHeader)
			p.used.Add(s.size)
			p.account()
			p.wake()
			return s, nil
		case have == 0 && p.full.Load() && p.attempts > before:
			return nil, errFull
		}
		p.ready.Wait()
	}
}

// drop hands over segments that are not needed any more.
func (p *pool) drop(segments []unneeded) {
	p.mu.Lock()
	for _, s := range segments {
		p.used.Add(-s.size)
	}
	p.dropped = append(p.dropped, segments...)
	p.mu.Unlock()
	p.wake()
}
