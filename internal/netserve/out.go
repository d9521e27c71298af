package netserve

import "github.com/millrace/millrace/internal/queue"

// Out collects replies. What is written during a turn is flushed when the turn is
// published. It is used by one goroutine at a time.
type Out struct {
	buf  []byte
	head int      // bytes of buf already sent
	refs []outRef // large immutable pieces that belong between bytes of buf

	// Positions in the stream of everything ever written:
	// sent <= published <= wrote.
	sent, published, wrote uint64

	closed bool // close once everything is flushed
}

// outRef is a piece that is sent without having been copied.
type outRef struct {
	at    int // offset in buf before which the piece goes
	piece []byte
}

// compactAt is how many bytes already sent may stay in front of a buffer.
const compactAt = 64 << 10

// Bytes appends a copy of b.
func (o *Out) Bytes(b []byte) { o.buf = append(o.buf, b...); o.wrote += uint64(len(b)) }

// String appends s.
func (o *Out) String(s string) { o.buf = append(o.buf, s...); o.wrote += uint64(len(s)) }

// Body appends the bytes of a job, without copying those that are immutable.
func (o *Out) Body(b queue.Body) {
	o.Bytes(b.Inline)
	for _, c := range b.Chunks {
		if len(c) > 0 {
			o.refs = append(o.refs, outRef{len(o.buf), c})
			o.wrote += uint64(len(c))
		}
	}
}

// Close asks for the connection to be closed when all that was written before is
// flushed. Input is no longer read.
func (o *Out) Close() { o.closed = true }

// size is how many bytes are not sent yet.
func (o *Out) size() int { return int(o.wrote - o.sent) }

// next is the first piece that may be sent; empty when there is none.
func (o *Out) next() []byte {
	p := o.buf[o.head:]
	if len(o.refs) > 0 {
		if r := o.refs[0]; r.at == o.head {
			p = r.piece
		} else {
			p = o.buf[o.head:r.at]
		}
	}
	return p[:min(uint64(len(p)), o.published-o.sent)]
}

// advance notes that n bytes of next were sent.
func (o *Out) advance(n int) {
	o.sent += uint64(n)
	if len(o.refs) > 0 && o.refs[0].at == o.head {
		r := &o.refs[0]
		if r.piece = r.piece[n:]; len(r.piece) == 0 {
			copy(o.refs, o.refs[1:])
			o.refs[len(o.refs)-1] = outRef{}
			o.refs = o.refs[:len(o.refs)-1]
		}
		return
	}
	o.head += n
	if o.head > compactAt && o.head > len(o.buf)/2 {
		o.compact()
	}
}

// compact drops what was sent from the front of buf, which a connection that
// always has output waiting would otherwise grow for ever.
func (o *Out) compact() {
	o.buf = o.buf[:copy(o.buf, o.buf[o.head:])]
	for i := range o.refs {
		o.refs[i].at -= o.head
	}
	o.head = 0
}

// drop takes back what is not published.
func (o *Out) drop() {
	n := int(o.wrote - o.published)
	o.wrote = o.published
	for n > 0 {
		end := 0
		if last := len(o.refs) - 1; last >= 0 {
			if r := o.refs[last]; r.at == len(o.buf) {
				n -= len(r.piece)
				o.refs = o.refs[:last]
				continue
			}
			end = o.refs[last].at
		}
		cut := min(n, len(o.buf)-end)
		o.buf = o.buf[:len(o.buf)-cut]
		n -= cut
	}
}
