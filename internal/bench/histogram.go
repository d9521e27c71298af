package bench

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets whose width grows with their value:
// 32 per power of two, so that a percentile is at most 1/32 (3%) too high.
// Recording allocates nothing.
type histogram struct {
	counts [buckets]uint64
	total  uint64
	max    int64 // nanoseconds
}

const (
	subBits = 5
	buckets = (65 - subBits) << subBits
)

// record adds n durations of ns nanoseconds. A negative one counts as zero.
func (h *histogram) record(ns int64, n uint64) {
	ns = max(ns, 0)
	h.counts[bucket(uint64(ns))] += n
	h.total += n
	h.max = max(h.max, ns)
}

// bucket is the index of the bucket that holds v. Below 32 each value has its own.
func bucket(v uint64) int {
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// upper is the largest value in bucket i.
func upper(i int) uint64 {
	if i < 2<<subBits {
		return uint64(i)
	}
	shift := i>>subBits - 1
	mantissa := uint64(i - shift<<subBits)
	return (mantissa+1)<<shift - 1
}

// merge adds what other counted.
func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// quantile is a duration that the fraction q (0 to 1) of those recorded does not
// exceed; 0 if none was recorded.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := uint64(q * float64(h.total))
	if float64(rank) < q*float64(h.total) || rank == 0 {
		rank++
	}
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return time.Duration(min(upper(i), uint64(h.max)))
		}
	}
	return time.Duration(h.max)
}
