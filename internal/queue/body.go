package queue

import "sort"

// bodyRef says where a body is: bodyLarge plus an index into bodies.large, or a
// page and a place on it. The zero value is the empty body.
type bodyRef uint64

const bodyLarge bodyRef = 1 << 63

const (
	arenaPage = 64 << 10
	// maxSmall is the largest body that shares a page. Larger ones are objects of
	// their own that never change, so replies and views may hold them.
	maxSmall = 8 << 10
)

// classes are the sizes in which small bodies are kept: steps of 16 up to 512
// bytes, then of an eighth.
var classes = func() (sizes []uint32) {
	for n := uint32(16); n <= 512; n += 16 {
		sizes = append(sizes, n)
	}
	for step := uint32(64); step <= 512; step *= 2 {
		for n := sizes[len(sizes)-1] + step; n <= 16*step; n += step {
			sizes = append(sizes, n)
		}
	}
	return sizes
}()

// bodies stores the bytes of jobs.
type bodies struct {
	pages   []arena
	partial [][]uint32 // by class: pages with room, each at most once
	large   [][][]byte // by index: the pieces of a large body
	free    []uint32   // unused indexes of large
	limbo   []bodyRef  // freed while a view was open
	views   int        // open views
}

// arena is a page of equal places. Free places are chained through their first
// two bytes.
type arena struct {
	buf    []byte
	class  uint8
	listed bool   // in partial
	used   uint16 // places taken
	next   uint16 // places never taken start here
	chain  uint16 // first freed place, counted from 1
}

func classOf(size int) int {
	if size <= 512 {
		return (size+15)/16 - 1
	}
	return sort.Search(len(classes), func(i int) bool { return int(classes[i]) >= size })
}

// put stores a copy of body.
func (b *bodies) put(body []byte) bodyRef {
	switch {
	case len(body) == 0:
		return 0
	case len(body) > maxSmall:
		return b.putLarge([][]byte{append([]byte(nil), body...)})
	}
	ref, place := b.place(classOf(len(body)))
	copy(place, body)
	return ref
}

// putLarge stores pieces, which must not change from now on.
func (b *bodies) putLarge(pieces [][]byte) bodyRef {
	if n := len(b.free); n > 0 {
		i := b.free[n-1]
		b.free = b.free[:n-1]
		b.large[i] = pieces
		return bodyLarge | bodyRef(i)
	}
	b.large = append(b.large, pieces)
	return bodyLarge | bodyRef(len(b.large)-1)
}

// place finds a place for a body of class c.
func (b *bodies) place(c int) (bodyRef, []byte) {
	if b.partial == nil {
		b.partial = make([][]uint32, len(classes))
	}
	if len(b.partial[c]) == 0 {
		b.pages = append(b.pages, arena{})
		b.partial[c] = append(b.partial[c], uint32(len(b.pages)-1))
	}
	n := b.partial[c][len(b.partial[c])-1]
	p := &b.pages[n]
	if p.buf == nil {
		*p = arena{buf: make([]byte, arenaPage), class: uint8(c), listed: true}
	}
	size := classes[c]
	i := uint32(p.next)
	if p.chain != 0 {
		i = uint32(p.chain - 1)
		p.chain = uint16(p.buf[i*size]) | uint16(p.buf[i*size+1])<<8
	} else {
		p.next++
	}
	p.used++
	if int(p.used) == int(arenaPage/size) {
		p.listed = false
		b.partial[c] = b.partial[c][:len(b.partial[c])-1]
	}
	return (bodyRef(n)<<16 | bodyRef(i)) + 1, p.buf[i*size : (i+1)*size]
}

// drop frees a body; while a view is open, once it is closed.
func (b *bodies) drop(ref bodyRef) {
	switch {
	case ref == 0:
	case b.views > 0:
		b.limbo = append(b.limbo, ref)
	default:
		b.reuse(ref)
	}
}

// reuse makes the place of a body that nobody reads free for another.
func (b *bodies) reuse(ref bodyRef) {
	switch {
	case ref&bodyLarge != 0:
		i := uint32(ref)
		b.large[i] = nil
		b.free = append(b.free, i)
	default:
		b.dropSmall(uint32((ref-1)>>16), uint32((ref-1)&0xffff))
	}
}

func (b *bodies) dropSmall(n, i uint32) {
	p := &b.pages[n]
	c := int(p.class)
	size := classes[c]
	p.buf[i*size], p.buf[i*size+1] = byte(p.chain), byte(p.chain>>8)
	p.chain = uint16(i + 1)
	p.used--
	if !p.listed {
		b.dropEmpty(c)
		p.listed = true
		b.partial[c] = append(b.partial[c], n)
	}
	// An empty page goes to the garbage collector, except the one that is filled next.
	if last := len(b.partial[c]) - 1; p.used == 0 && b.partial[c][last] != n {
		p.buf = nil
	}
}

// dropEmpty lets go of the page of class c that is filled next, if it is empty:
// another is about to take its part.
func (b *bodies) dropEmpty(c int) {
	if last := len(b.partial[c]) - 1; last >= 0 && b.pages[b.partial[c][last]].used == 0 {
		b.pages[b.partial[c][last]].buf = nil
	}
}

// freeze keeps every body where it is until thaw, and returns a reader of them.
func (b *bodies) freeze() bodyView {
	b.views++
	v := bodyView{pages: make([]arenaView, len(b.pages)), large: b.large}
	for i := range b.pages {
		v.pages[i] = arenaView{b.pages[i].buf, classes[b.pages[i].class]}
	}
	return v
}

// thaw ends one freeze, and after the last frees what was dropped meanwhile.
func (b *bodies) thaw() {
	if b.views--; b.views > 0 {
		return
	}
	b.release(len(b.limbo))
	b.limbo = nil
}

// release frees up to n of the bodies dropped while views were open, and reports
// whether there are more.
func (b *bodies) release(n int) bool {
	rest := max(0, len(b.limbo)-n)
	for _, ref := range b.limbo[rest:] {
		b.reuse(ref)
	}
	b.limbo = b.limbo[:rest]
	return rest > 0
}

// read returns the body at ref: small, the bytes on its page, or large pieces.
func (b *bodies) read(ref bodyRef, size uint32) (small []byte, large [][]byte) {
	switch {
	case ref == 0:
		return nil, nil
	case ref&bodyLarge != 0:
		return nil, b.large[uint32(ref)]
	}
	p := &b.pages[(ref-1)>>16]
	at := uint32((ref-1)&0xffff) * classes[p.class]
	return p.buf[at : at+size], nil
}

// bodyView reads bodies of a frozen moment.
type bodyView struct {
	pages []arenaView
	large [][][]byte
}

type arenaView struct {
	buf  []byte
	size uint32 // of a place
}

func (v *bodyView) read(ref bodyRef, size uint32) (small []byte, large [][]byte) {
	switch {
	case ref == 0:
		return nil, nil
	case ref&bodyLarge != 0:
		return nil, v.large[uint32(ref)]
	}
	p := &v.pages[(ref-1)>>16]
	at := uint32((ref-1)&0xffff) * p.size
	return p.buf[at : at+size], nil
}
