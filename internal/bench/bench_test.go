package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var peer = flag.Bool("peer", false, "fail if beanstalkd is not installed")

// small is every option at a size for tests.
func small(address string) Options {
	o := DefaultOptions()
	o.Address = address
	o.Conns, o.Producers, o.Workers = 4, 3, 2
	o.Tubes, o.Watchers, o.Idle, o.Backlog, o.Delayed = 20, 30, 40, 500, 200
	o.Rounds, o.Warmup, o.Duration = 2, 5*time.Millisecond, 30*time.Millisecond
	return o
}

// measure runs every scenario and checks what holds for all of them.
func measure(t *testing.T, o Options) Report {
	t.Helper()
	for _, s := range Scenarios(Beanstalk) {
		if s.Name != "delayed" { // takes seconds
			o.Scenarios = append(o.Scenarios, s.Name)
		}
	}
	o.Scenarios = o.Scenarios[3:] // without the default ones
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != len(Scenarios(Beanstalk))-1 {
		t.Fatalf("%d rows", len(report.Rows))
	}
	for _, row := range report.Rows {
		if row.Result.Jobs == 0 || row.Result.Rate == 0 || len(row.Result.Rates) != o.Rounds {
			t.Errorf("%s: nothing was measured: %+v", row.Scenario, row.Result)
		}
		if l := row.Result.Latency; l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.Max {
			t.Errorf("%s: latency %+v", row.Scenario, l)
		}
	}
	return report
}

func TestRun(t *testing.T) {
	for _, depth := range []int{1, 7} {
		f := startFake(t)
		o := small(f.address)
		o.Depth = depth
		measure(t, o)
		if n := f.jobs(); n != 0 {
			t.Errorf("depth %d: %d jobs were left in the server", depth, n)
		}
	}
}

func TestVersus(t *testing.T) {
	a, b := startFake(t), startFake(t)
	o := small(a.address)
	o.Versus = b.address
	o.Scenarios = []string{"cycle"}
	var progress bytes.Buffer
	o.Progress = &progress
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	row := report.Rows[0]
	if row.Versus == nil || row.Ratio == nil || row.Ratio.Rate != row.Result.Rate/row.Versus.Rate || len(row.Ratio.Pairs) != o.Rounds {
		t.Errorf("row %+v", row)
	}
	// The servers take turns.
	var turns []string
	for line := range strings.Lines(progress.String()) {
		if strings.Contains(line, "round") {
			turns = append(turns, map[bool]string{true: "A", false: "B"}[strings.Contains(line, a.address)])
		}
	}
	if got := strings.Join(turns, ""); got != "ABAB" {
		t.Errorf("turns %s; want ABAB", got)
	}
	if a.jobs()+b.jobs() != 0 {
		t.Error("jobs were left")
	}
}

func TestDelayed(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	o := small(f.address)
	o.Scenarios, o.Rounds = []string{"delayed"}, 1
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	// 200 jobs are under way, each for a second.
	if jobs := report.Rows[0].Result.Jobs; jobs < 100 || jobs > 300 {
		t.Errorf("%d jobs came back within a second; about 200 are under way", jobs)
	}
	if f.jobs() != 0 {
		t.Error("jobs were left")
	}
}

func TestKeep(t *testing.T) {
	f := startFake(t)
	o := small(f.address)
	o.Scenarios, o.Keep, o.Rounds = []string{"put"}, true, 1
	o.Count, o.Warmup, o.Duration = 1000, 0, time.Minute
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if n := f.jobs(); n < 1000 || n > 1300 {
		t.Errorf("%d jobs were kept; a round ends after 1000", n)
	}
}

func TestCancelLeavesTheServerEmpty(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := startFake(t, func(f *fake) {
		f.mutate = func(reply string) string {
			if strings.HasPrefix(reply, "INSERTED 500\r") {
				cancel()
			}
			return reply
		}
	})
	o := small(f.address)
	o.Scenarios, o.Duration = []string{"cycle"}, time.Minute
	o.Rounds = 1
	if _, err := Run(ctx, o); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("error %v", err)
	}
	if n := f.jobs(); n != 0 {
		t.Errorf("%d jobs were left", n)
	}
}

func TestBadServer(t *testing.T) {
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	for name, c := range map[string]struct {
		scenario string
		mutate   func(string) string
		want     string
	}{
		"refuses a put":   {"put", replace("INSERTED ", "DRAINING\r\n"), `expected "INSERTED", received "DRAINING"`},
		"another word":    {"cycle", replace("RESERVED ", "TIMED_OUT\r\n"), `received "TIMED_OUT"`},
		"another body":    {"cycle", replace("millrace", "m!llrace"), "another body"},
		"shorter body":    {"cycle", replace(" 256\r\n", " 255\r\n"), "255 bytes; 256 were put"},
		"lost job":        {"cycle", replace("DELETED", "NOT_FOUND"), `received "NOT_FOUND"`},
		"an extra reply":  {"put", replace("INSERTED 7\r\n", "INSERTED 7\r\nINSERTED 8\r\n"), "which nothing asked for"},
		"refuses to use":  {"put", replace("USING", "BAD_FORMAT"), "BAD_FORMAT"},
		"closes":          {"put", func(string) string { return "" }, "the server closed the connection"},
		"the wrong tube":  {"tubes", replace("USING millrace", "USING mollrace"), "USING mollrace"},
		"closes one late": {"pingpong", replace("DELETED\r\n", ""), "the server closed the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, func(f *fake) { f.mutate = c.mutate })
			o := small(f.address)
			o.Scenarios = []string{c.scenario}
			_, err := Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), f.address) {
				t.Errorf("error %v; want one that names the server and says %q", err, c.want)
			}
		})
	}
}

func TestEarlyJob(t *testing.T) {
	f := startFake(t, func(f *fake) { f.early = true })
	o := small(f.address)
	o.Scenarios = []string{"delayed"}
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "before it was due") {
		t.Errorf("error %v", err)
	}
}

func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := Run(t.Context(), small(l.Addr().String())); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v", err)
	}
}

func TestOptions(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"no server address":  func(o *Options) { o.Address = "" },
		"has no scenario":    func(o *Options) { o.Scenarios = []string{"put", "nonsense"} },
		"depth is 0":         func(o *Options) { o.Depth = 0 },
		"whole seconds":      func(o *Options) { o.Delay = time.Millisecond },
		"duration of a":      func(o *Options) { o.Duration = 0 },
		"name at least one":  func(o *Options) { o.Scenarios = nil },
		"raise ahead":        func(o *Options) { o.Ahead, o.Depth = 1, 2 },
		"share 2 tubes":      func(o *Options) { o.Scenarios, o.Tubes, o.Workers = []string{"tubes"}, 2, 3 },
		"needs a size of 8":  func(o *Options) { o.Scenarios, o.Size = []string{"delayed"}, 7 },
		"lower depth, size":  func(o *Options) { o.Size, o.Depth = maxSize, maxDepth },
		"size is 1073741824": func(o *Options) { o.Size = 1 << 30 },
	} {
		o := small("127.0.0.1:1")
		change(&o)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one about %q", err, want)
		}
	}
}

// TestPeer measures the installed beanstalkd: what the fake takes for the protocol
// must be the protocol.
func TestPeer(t *testing.T) {
	path, err := exec.LookPath("beanstalkd")
	if err != nil {
		if *peer {
			t.Fatalf("%v; install beanstalkd", err)
		}
		t.Skip("beanstalkd is not installed; -peer makes this a failure")
	}
	address, pid := startPeer(t, path)
	o := small(address)
	o.PID, o.Depth = pid, 3
	report := measure(t, o)
	for _, row := range report.Rows {
		if row.Result.CPU <= 0 || row.Result.Memory <= 0 {
			t.Errorf("%s: CPU %v, memory %v", row.Scenario, row.Result.CPU, row.Result.Memory)
		}
	}
	if jobs := peerStat(t, address, "current-jobs-ready"); jobs != "0" {
		t.Errorf("%s jobs were left", jobs)
	}
	var out bytes.Buffer
	if err := report.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || len(back.Rows) != len(report.Rows) {
		t.Errorf("the JSON can't be read back: %v", err)
	}
}

// startPeer hands beanstalkd a socket that listens already, so that nothing has to
// wait for it.
func startPeer(t *testing.T, path string) (address string, pid int) {
	t.Helper()
	dir, err := os.MkdirTemp("", "bench") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0"`, path)
	cmd.ExtraFiles = append(cmd.ExtraFiles, file) // becomes descriptor 3
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(func() { l.Close() })
	return "unix:" + l.Addr().String(), cmd.Process.Pid
}

func peerStat(t *testing.T, address, key string) string {
	t.Helper()
	network, addr := split(address)
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("stats\r\n")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 8<<10)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(buf[:n]), key+": ")
	if !ok {
		t.Fatalf("stats: %q", buf[:n])
	}
	value, _, _ := strings.Cut(rest, "\n")
	return value
}
