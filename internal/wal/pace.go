package wal

import "time"

const (
	fastCommit = time.Millisecond      // what a commit may take to be inline
	perByte    = 2 * time.Nanosecond   // and this for each byte of it
	stall      = 10 * time.Millisecond // a commit that took this long is not soon forgotten

	warmUp     = 8   // fast commits in a row before the first inline one
	afterStall = 100 // the same after a stall
)

// pace decides where batches are committed. Inline, by the caller of Append and
// with raw system calls, costs no switch between goroutines, which matters when
// each commit takes 100 µs; but a raw call that blocks can freeze the process. So
// it is done only while the disk has lately been fast, and the first slow commit
// ends it.
type pace struct {
	inline bool
	fast   int // commits since the last slow one
	need   int // of those before inline is tried again
}

func (p *pace) observe(took time.Duration, size int) {
	if took > fastCommit+time.Duration(size)*perByte {
		p.inline, p.fast = false, 0
		if took > stall {
			p.need = afterStall
		}
		return
	}
	if p.fast++; p.fast >= p.need {
		p.inline, p.need = true, warmUp
	}
}
