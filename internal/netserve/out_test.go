package netserve

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/internal/queue"
)

// TestOut compares an Out with a plain slice of bytes, under random writes,
// publications, partial sends and drops.
func TestOut(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 0))
		var o Out
		var want, got []byte
		piece := func() []byte { return bytes.Repeat([]byte{byte('a' + r.IntN(26))}, r.IntN(40)<<(r.IntN(3)*5)) }
		for range 500 {
			switch r.IntN(8) {
			case 0:
				o.published = o.wrote
			case 1:
				o.drop()
				want = want[:o.published]
			case 2:
				b := queue.Body{Inline: piece(), Chunks: [][]byte{piece(), piece()}}
				o.Body(b)
				want = append(append(append(want, b.Inline...), b.Chunks[0]...), b.Chunks[1]...)
			case 3, 4:
				p := piece()
				o.Bytes(p)
				want = append(want, p...)
			default:
				if p := o.next(); len(p) > 0 {
					n := 1 + r.IntN(len(p))
					got = append(got, p[:n]...)
					o.advance(n)
				}
			}
			if o.size() != len(want)-len(got) {
				t.Fatalf("seed %d: size is %d, want %d", seed, o.size(), len(want)-len(got))
			}
		}
		o.published = o.wrote
		for p := o.next(); len(p) > 0; p = o.next() {
			got = append(got, p...)
			o.advance(len(p))
		}
		if !bytes.Equal(got, want) || o.size() != 0 {
			t.Fatalf("seed %d: what was sent differs from what was written", seed)
		}
	}
}

// TestOutStaysSmall writes for ever to a client that is always a bit behind.
func TestOutStaysSmall(t *testing.T) {
	var o Out
	for range 100_000 {
		o.String("sixteen bytes ..")
		o.published = o.wrote
		for o.size() > 100 {
			o.advance(min(10, len(o.next())))
		}
	}
	if cap(o.buf) > 8*compactAt {
		t.Errorf("the buffer grew to %d bytes for %d", cap(o.buf), o.size())
	}
}
