package bench

import (
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1}, 5},
		{[]float64{7, 1, 100}, 7},
		{[]float64{4, 1, 100, 2}, 3},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v; want %v", c.values, got, c.want)
		}
	}
}

// twoSides is a comparison whose results are easy to work out.
func twoSides() []*side {
	a := &side{before: 1000, prepared: 5000}
	for _, jobs := range []int{300, 100, 200} {
		a.rounds = append(a.rounds, round{jobs: jobs, elapsed: 2 * time.Second, server: time.Second, client: 500 * time.Millisecond, memory: 1 << 20})
	}
	b := &side{before: 1000, prepared: 3000}
	for _, jobs := range []int{100, 100, 50} {
		b.rounds = append(b.rounds, round{jobs: jobs, elapsed: time.Second, server: 10 * time.Second, memory: 4 << 20})
	}
	a.rounds[0].latencies.record(1000, 3)
	a.rounds[2].latencies.record(31_000, 1)
	return []*side{a, b}
}

func TestReport(t *testing.T) {
	o := small("here:1")
	row := o.row("cycle", plan{producers: 2, workers: 3}, twoSides())
	r, v, ratio := row.Result, row.Versus, row.Ratio
	if row.Connections != 5 || r.Rate != 100 || r.Jobs != 600 || v.Rate != 100 || v.Jobs != 250 {
		t.Errorf("result %+v, versus %+v", r, v)
	}
	if r.CPU != 5000 || r.ClientCPU != 2500 || v.CPU != 120_000 { // 3 s / 600, 1.5 s / 600, 30 s / 250
		t.Errorf("CPU per million %v, client %v, versus %v", r.CPU, r.ClientCPU, v.CPU)
	}
	if want := (Latency{P50: 1.007, P90: 31, P99: 31, P999: 31, Max: 31}); r.Latency != want {
		t.Errorf("latency %+v; want %+v", r.Latency, want)
	}
	if r.Memory != 1<<20 || r.Growth != 4000 || ratio.Memory != 0.25 || ratio.Growth != 2 {
		t.Errorf("memory %d, growth %d, ratios %v %v", r.Memory, r.Growth, ratio.Memory, ratio.Growth)
	}
	if len(ratio.Pairs) != 3 || ratio.Pairs[0] != 1.5 || ratio.Pairs[1] != 0.5 || ratio.Pairs[2] != 2 || ratio.Rate != 1 {
		t.Errorf("ratio %+v", ratio)
	}
}

func TestTable(t *testing.T) {
	o := small("here:1")
	report := Report{Address: "here:1", Versus: "there:2", Rows: []Row{o.row("cycle", plan{producers: 2, workers: 3}, twoSides())}}
	var out strings.Builder
	if err := report.WriteTable(&out, true); err != nil {
		t.Fatal(err)
	}
	want := `
cycle: connections 5, depth 1, 256 B, latency of put and delete
   server  jobs/s  CPU s/M     p50   p90   p99  p99.9   max   memory  prepared  client CPU s/M
   here:1     100    5,000  1.01µs  31µs  31µs   31µs  31µs  1.0 MiB   0.0 MiB           2,500
  there:2     100  120,000       -     -     -      -     -  4.0 MiB   0.0 MiB               -
    ratio      1x  0.0417x                                     0.25x        2x
ratio of pairs: median 1.5x, from 0.5x to 2x: 1.5 0.5 2
`
	if got := out.String(); got != want {
		t.Errorf("table\n%s\nwant\n%s", got, want)
	}
}

func TestFormats(t *testing.T) {
	for got, want := range map[string]string{
		count(0): "0", count(999.6): "1,000", count(1234567): "1,234,567",
		duration(0): "-", duration(999): "999µs", duration(1000): "1ms", duration(2_500_000): "2.5s",
		memory(0): "-", memory(3 << 19): "1.5 MiB",
		figure(0, "x"): "-", figure(0.04167, "x"): "0.0417x", figure(99.94, ""): "99.9", figure(1234.5, "x"): "1,234x",
	} {
		if got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}
