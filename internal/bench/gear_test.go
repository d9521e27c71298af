package bench

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/gearman"
	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/queue"
)

// TestGearman measures every scenario on the real door, and finds no job left.
func TestGearman(t *testing.T) {
	e := engine.New(engine.Options{})
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s := netserve.New(netserve.Options{NewPort: func(wake func()) netserve.Port { return e.NewPort(wake) }})
	addr := "unix:" + filepath.Join(t.TempDir(), "s")
	if _, err := s.Listen(addr, gearman.New(gearman.Options{}), netserve.ListenOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, depth := range []int{1, 16} {
		o := DefaultOptions()
		o.Address, o.Protocol, o.Depth = addr, Gearman, depth
		o.Conns, o.Producers, o.Workers, o.Watchers, o.Idle, o.Backlog = 4, 3, 3, 10, 10, 3000
		o.Rounds, o.Warmup, o.Duration, o.Count = 2, time.Millisecond, 20*time.Millisecond, 1000
		o.Scenarios = nil
		for _, s := range Scenarios(Gearman) {
			o.Scenarios = append(o.Scenarios, s.Name)
		}
		report, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range report.Rows {
			if row.Result.Jobs == 0 || row.Result.Latency.Max == 0 {
				t.Errorf("depth %d: %s measured nothing: %+v", depth, row.Scenario, row.Result)
			}
		}
	}
	if left := jobsLeft(t, e); left != 0 {
		t.Errorf("%d jobs are left", left)
	}
}

func jobsLeft(t *testing.T, e *engine.Engine) uint64 {
	t.Helper()
	p := e.NewPort(func() {})
	defer p.Close()
	id := p.Open(0, 0)
	p.Do(&queue.Request{Session: id, Op: queue.OpStats, Seq: 1})
	for _, o := range p.Run() {
		if s, ok := o.Result.Info.(*queue.Stats); ok {
			return s.Ready + s.Reserved + s.Delayed + s.Buried
		}
	}
	t.Fatal("no stats")
	return 0
}
