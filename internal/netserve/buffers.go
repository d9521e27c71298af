package netserve

// buffers keeps byte slices for the next connection that has something to keep.
// The last one given back is the first to go out, while it is still in the cache.
type buffers struct {
	free [][]byte
	size int // capacity of all of free
}

const (
	bufferSize    = 4 << 10 // of a new buffer
	bufferMax     = 1 << 20 // larger ones are left to the garbage collector
	bufferReserve = 8 << 20 // how much may lie idle
)

func (b *buffers) get() []byte {
	n := len(b.free)
	if n == 0 {
		return make([]byte, 0, bufferSize)
	}
	p := b.free[n-1]
	b.free[n-1] = nil
	b.free = b.free[:n-1]
	b.size -= cap(p)
	return p
}

func (b *buffers) put(p []byte) {
	if p == nil || cap(p) > bufferMax || b.size+cap(p) > bufferReserve {
		return
	}
	b.size += cap(p)
	b.free = append(b.free, p[:0])
}
