package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Every value lies in its bucket, and buckets follow each other without a gap.
func TestBuckets(t *testing.T) {
	for i := range buckets - 1 {
		if top := upper(i); bucket(top) != i || bucket(top+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, which is in bucket %d; the next is in %d", i, top, bucket(top), bucket(top+1))
		}
	}
	if i := bucket(math.MaxUint64); i != buckets-1 {
		t.Errorf("the largest value is in bucket %d of %d", i, buckets)
	}
}

func TestQuantile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var one, other histogram
		var values []int64
		for i := range 1 + r.IntN(3000) {
			v := int64(math.Exp(r.Float64() * 25))
			values = append(values, v)
			[]*histogram{&one, &other}[i%2].record(v, 1)
		}
		one.merge(&other)
		slices.Sort(values)
		for _, q := range []float64{0, 0.001, 0.5, 0.9, 0.99, 0.999, 1} {
			rank := max(int(math.Ceil(q*float64(len(values)))), 1)
			exact, got := values[rank-1], int64(one.quantile(q))
			if got < exact || float64(got) > float64(exact)*(1+1.0/32)+1 {
				t.Fatalf("quantile %v of %d values is %d; exactly %d", q, len(values), got, exact)
			}
		}
	}
}

func TestHistogramEdges(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty histogram has no quantile")
	}
	h.record(-5, 1)
	h.record(int64(time.Hour), 3)
	if h.quantile(0.25) != 0 || h.quantile(0.26) != time.Hour || h.max != int64(time.Hour) || h.total != 4 {
		t.Errorf("quantiles %v %v, max %d, total %d", h.quantile(0.25), h.quantile(0.26), h.max, h.total)
	}
}
