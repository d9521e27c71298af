package queue

import "math/bits"

// pageSize is the number of items on a page of a slab.
const pageSize = 256

// slab keeps items of one type in pages, so that millions of them cost the
// garbage collector a few thousand objects, and none when T has no pointers.
// Items are named by an index from 1; 0 is none.
//
// A slab can be frozen: view copies the table of pages, and from then on a page
// is cloned before it is changed (copy on write) until thaw.
type slab[T any] struct {
	pages   []*page[T]
	partial []uint32 // pages with room, in no order; each at most once
	gen     uint32   // pages of an older generation belong to the open views, too
	views   int
}

type page[T any] struct {
	gen    uint32
	used   uint16
	listed bool // in partial
	taken  [pageSize / 64]uint64
	items  [pageSize]T
}

// alloc returns the index of a zeroed item, and the item for writing.
func (s *slab[T]) alloc() (uint32, *T) {
	if len(s.partial) == 0 {
		s.pages = append(s.pages, nil)
		s.partial = append(s.partial, uint32(len(s.pages)-1))
	}
	n := s.partial[len(s.partial)-1]
	p := s.own(n)
	i := p.firstFree()
	p.taken[i/64] |= 1 << (i % 64)
	p.used++
	p.listed = p.used < pageSize
	if !p.listed {
		s.partial = s.partial[:len(s.partial)-1]
	}
	return n*pageSize + i + 1, &p.items[i]
}

func (p *page[T]) firstFree() uint32 {
	for w, taken := range p.taken {
		if taken != ^uint64(0) {
			return uint32(w*64 + bits.TrailingZeros64(^taken))
		}
	}
	panic("queue: a full page was listed as having room")
}

// free gives item i back. An empty page goes to the garbage collector, except
// that the page allocated from next is kept, so that a queue that hovers around
// empty does not allocate.
func (s *slab[T]) free(i uint32) {
	n := (i - 1) / pageSize
	p := s.own(n)
	i = (i - 1) % pageSize
	var zero T
	p.items[i] = zero
	p.taken[i/64] &^= 1 << (i % 64)
	p.used--
	if !p.listed {
		s.dropEmpty()
		p.listed = true
		s.partial = append(s.partial, n)
	}
	if p.used == 0 && s.partial[len(s.partial)-1] != n {
		s.pages[n] = nil
	}
}

// dropEmpty lets go of the page allocated from next, if it is empty: another is about
// to take its part.
func (s *slab[T]) dropEmpty() {
	if len(s.partial) == 0 {
		return
	}
	n := s.partial[len(s.partial)-1]
	if p := s.pages[n]; p != nil && p.used == 0 {
		s.pages[n] = nil
	}
}

// at returns item i for reading.
func (s *slab[T]) at(i uint32) *T {
	i--
	return &s.pages[i/pageSize].items[i%pageSize]
}

// mut returns item i for writing. The pointer is good until the next view.
func (s *slab[T]) mut(i uint32) *T {
	i--
	return &s.own(i / pageSize).items[i%pageSize]
}

// own returns page n, which no view shares.
func (s *slab[T]) own(n uint32) *page[T] {
	p := s.pages[n]
	if p != nil && p.gen == s.gen {
		return p
	}
	switch {
	case p == nil:
		p = &page[T]{listed: true}
	case s.views > 0:
		clone := *p
		p = &clone
	}
	p.gen = s.gen
	s.pages[n] = p
	return p
}

// view returns the table of pages as it is now; they stay as they are until thaw.
func (s *slab[T]) view() pages[T] {
	s.gen++
	s.views++
	return append(pages[T](nil), s.pages...)
}

// thaw ends one view.
func (s *slab[T]) thaw() { s.views-- }

// pages is a frozen slab.
type pages[T any] []*page[T]

func (v pages[T]) at(i uint32) *T {
	i--
	return &v[i/pageSize].items[i%pageSize]
}
