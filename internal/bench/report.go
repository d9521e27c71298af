package bench

import (
	"slices"
	"time"
)

// Report is the outcome of a run.
type Report struct {
	Address string `json:"address"`
	Versus  string `json:"vs,omitempty"`
	Rows    []Row  `json:"rows"`
}

// Row is one scenario on one server or two.
type Row struct {
	Scenario    string  `json:"scenario"`
	Connections int     `json:"connections"` // that are active
	Depth       int     `json:"depth"`
	Size        int     `json:"size"`
	LatencyOf   string  `json:"latency_of"` // what the latencies are the latency of
	Result      Result  `json:"result"`
	Versus      *Result `json:"vs,omitempty"`
	Ratio       *Ratio  `json:"ratio,omitempty"`
}

// Result is what one server did in one scenario.
type Result struct {
	Rate    float64   `json:"jobs_per_second"` // median of the rounds
	Rates   []float64 `json:"rounds"`
	Jobs    int       `json:"jobs"` // in all rounds
	Latency Latency   `json:"latency_us"`

	// Seconds of CPU time per million jobs over all rounds, of the server (0 if its
	// process id was not given) and of the generator.
	CPU       float64 `json:"server_cpu_seconds_per_million,omitempty"`
	ClientCPU float64 `json:"client_cpu_seconds_per_million"`

	// Resident bytes of the server: the most at the end of a round, and what the
	// scenario's preparation (backlog, connections, tubes) added. 0 if its process
	// id was not given.
	Memory int64 `json:"memory_bytes,omitempty"`
	Growth int64 `json:"prepared_bytes,omitempty"`
}

// Latency is percentiles in microseconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

// Ratio compares the server under test with the other, side by side.
type Ratio struct {
	Rate   float64   `json:"jobs_per_second"` // of the medians
	Pairs  []float64 `json:"rounds"`          // of each round and the other server's next
	CPU    float64   `json:"server_cpu,omitempty"`
	Memory float64   `json:"memory,omitempty"`
	Growth float64   `json:"prepared,omitempty"`
}

func (o *Options) row(name string, p plan, sides []*side) Row {
	row := Row{
		Scenario: name, Connections: p.conns(), Depth: o.Depth, Size: o.Size,
		LatencyOf: p.latency.String(), Result: sides[0].result(),
	}
	if o.Protocol == Memcache {
		row.LatencyOf = "set and get"
	}
	if len(sides) > 1 {
		versus := sides[1].result()
		row.Versus, row.Ratio = &versus, compared(&row.Result, &versus)
	}
	return row
}

func (s *side) result() Result {
	var r Result
	var latencies histogram
	var server, client time.Duration
	for i := range s.rounds {
		round := &s.rounds[i]
		r.Rates = append(r.Rates, round.rate())
		r.Jobs += round.jobs
		r.Memory = max(r.Memory, round.memory)
		server += round.server
		client += round.client
		latencies.merge(&round.latencies)
	}
	r.Rate = median(r.Rates)
	r.CPU, r.ClientCPU = perMillion(server, r.Jobs), perMillion(client, r.Jobs)
	r.Growth = max(s.prepared-s.before, 0)
	r.Latency = Latency{
		P50: micros(latencies.quantile(0.5)), P90: micros(latencies.quantile(0.9)),
		P99: micros(latencies.quantile(0.99)), P999: micros(latencies.quantile(0.999)),
		Max: micros(time.Duration(latencies.max)),
	}
	return r
}

// compared is a over b; what is unknown of either is 0.
func compared(a, b *Result) *Ratio {
	r := &Ratio{
		Rate:   ratio(a.Rate, b.Rate),
		CPU:    ratio(a.CPU, b.CPU),
		Memory: ratio(float64(a.Memory), float64(b.Memory)),
		Growth: ratio(float64(a.Growth), float64(b.Growth)),
	}
	for i := range min(len(a.Rates), len(b.Rates)) {
		r.Pairs = append(r.Pairs, ratio(a.Rates[i], b.Rates[i]))
	}
	return r
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// rate is in jobs per second.
func (r *round) rate() float64 {
	return ratio(float64(r.jobs), r.elapsed.Seconds())
}

func perMillion(used time.Duration, jobs int) float64 {
	return ratio(used.Seconds()*1e6, float64(jobs))
}

func micros(d time.Duration) float64 { return float64(d) / 1e3 }

// median of an even number is the mean of the two in the middle.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
