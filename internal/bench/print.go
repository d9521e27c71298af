package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteJSON writes the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable writes the report for a reader. verbose adds what the generator itself
// cost and the ratio of every pair of rounds.
func (r *Report) WriteTable(w io.Writer, verbose bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := "server\tjobs/s\tCPU s/M\tp50\tp90\tp99\tp99.9\tmax\tmemory\tprepared\t"
	if verbose {
		head += "client CPU s/M\t"
	}
	for _, row := range r.Rows {
		// A line without tabs ends the columns of the table before it.
		fmt.Fprintf(t, "\n%s: connections %d, depth %d, %d B, latency of %s\n", row.Scenario, row.Connections, row.Depth, row.Size, row.LatencyOf)
		fmt.Fprintln(t, head)
		fmt.Fprintln(t, r.Address+"\t"+row.Result.cells(verbose))
		if row.Versus != nil {
			fmt.Fprintln(t, r.Versus+"\t"+row.Versus.cells(verbose))
			fmt.Fprintln(t, row.Ratio.cells())
			fmt.Fprintln(t, row.Ratio.spread(verbose))
		}
	}
	return t.Flush()
}

func (r *Result) cells(verbose bool) string {
	l := &r.Latency
	cells := []string{
		count(r.Rate), figure(r.CPU, ""),
		duration(l.P50), duration(l.P90), duration(l.P99), duration(l.P999), duration(l.Max),
		memory(r.Memory), memory(r.Growth),
	}
	if verbose {
		cells = append(cells, figure(r.ClientCPU, ""))
	}
	return strings.Join(cells, "\t") + "\t"
}

func (r *Ratio) cells() string {
	return fmt.Sprintf("ratio\t%s\t%s\t\t\t\t\t\t%s\t%s\t", figure(r.Rate, "x"),
		figure(r.CPU, "x"), figure(r.Memory, "x"), figure(r.Growth, "x"))
}

// spread tells how steady the ratio was over the rounds.
func (r *Ratio) spread(verbose bool) string {
	s := fmt.Sprintf("ratio of pairs: median %s, from %s to %s",
		figure(median(r.Pairs), "x"), figure(slices.Min(r.Pairs), "x"), figure(slices.Max(r.Pairs), "x"))
	if verbose {
		s += ":"
		for _, p := range r.Pairs {
			s += " " + figure(p, "")
		}
	}
	return s
}

// String is a round on one line.
func (r *round) String() string {
	return fmt.Sprintf("%s jobs/s, server CPU %s s/M, client CPU %s s/M", count(r.rate()),
		figure(perMillion(r.server, r.jobs), ""), figure(perMillion(r.client, r.jobs), ""))
}

// figure writes three digits, or "-" for what is not known.
func figure(v float64, unit string) string {
	switch {
	case v == 0:
		return "-"
	case v < 100:
		return fmt.Sprintf("%.3g", v) + unit
	}
	return count(v) + unit
}

// count writes thousands apart: 1,234,567.
func count(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

// duration writes microseconds with three digits.
func duration(us float64) string {
	d := time.Duration(us * 1e3)
	switch {
	case d == 0:
		return "-"
	case d < time.Millisecond:
		return fmt.Sprintf("%.3gµs", us)
	case d < time.Second:
		return fmt.Sprintf("%.3gms", us/1e3)
	}
	return fmt.Sprintf("%.3gs", us/1e6)
}

func memory(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}
