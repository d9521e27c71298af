package wal

import (
	"path/filepath"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/vfs"
)

// account brings the counters up to date; p.mu is held, or nobody else is there yet.
func (p *pool) account() {
	var sum int64
	for _, s := range p.spares {
		sum += s.size - segmentHeader
	}
	p.spare.Store(sum)
}

const (
	maxReserve = 64 << 20 // bytes kept for deletes, at most
	maxMargin  = 4 << 20  // bytes that a turn should not exceed once it was told there is room
)

// room says what may be written. It takes no lock: it is asked every turn. When
// space gets short, a quarter of the log is kept for the deletes of what it holds.
func (p *pool) room() engine.Room {
	if !p.tight.Load() {
		return engine.RoomForAll
	}
	free := p.left.Load() + p.spare.Load()
	reserve := min((p.used.Load()+p.spare.Load())/4, maxReserve)
	margin := min(reserve/4, maxMargin)
	switch {
	case free > reserve+margin:
		return engine.RoomForAll
	case free > margin:
		return engine.RoomToDelete
	}
	return engine.RoomForNone
}

// secureReserve keeps some space that is given up when a snapshot, which would set
// segments free, finds the disk full. It reports whether the disk had it.
func (p *pool) secureReserve() bool {
	name := filepath.Join(p.dir, reserveName)
	if f, err := p.fs.Open(name); err == nil {
		f.Close()
		return true
	}
	f, err := p.fs.Create(name)
	if err == nil {
		err = secure(f, 0, min(firstSegment, p.target), p.quitting)
		f.Close()
		if err != nil {
			p.fs.Remove(name)
		}
	}
	p.report(err)
	return !vfs.IsNoSpace(err)
}

// giveReserve reports whether there was a reserve to give up.
func (p *pool) giveReserve() bool {
	return p.fs.Remove(filepath.Join(p.dir, reserveName)) == nil
}
