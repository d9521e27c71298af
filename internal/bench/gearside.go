package bench

import (
	"context"
	"fmt"
)

// Gearman as Options.Protocol is that of gearmand.
const Gearman = "gearman"

var gearScenarios = []Scenario{
	{"put", "clients that only submit background jobs", func(o *Options) plan {
		return plan{producers: o.Conns}
	}},
	{"cycle", "clients submit background jobs, workers do them", cycle},
	{"foreground", "clients wait for the results of their jobs", func(o *Options) plan {
		p := cycle(o)
		p.foreground = true
		return p
	}},
	{"pingpong", "one client that waits, one worker", func(*Options) plan {
		return plan{producers: 1, workers: 1, foreground: true}
	}},
	{"watchers", "one client that waits, and many workers that mostly sleep", func(o *Options) plan {
		return plan{producers: 1, workers: o.Watchers, foreground: true}
	}},
	{"idle", "a cycle while many workers sleep that never get a job", func(o *Options) plan {
		p := cycle(o)
		p.idle = o.Idle
		return p
	}},
	{"backlog", "workers do jobs of a large backlog", func(o *Options) plan {
		return plan{workers: o.Workers, backlog: o.Backlog}
	}},
}

// gearWorkers take out what a scenario left.
const gearWorkers = 8

func (s *side) gearLoop(depth int, m *meter) (*gearLoop, error) {
	l, err := newGearLoop(s.tubes[0], s.opts.Size, depth, s.plan.foreground, m)
	if err == nil {
		l.outstanding = s.jobs
	}
	return l, err
}

// prepareGear does what the scenario needs once.
func (s *side) prepareGear(ctx context.Context) (err error) {
	if s.before, err = s.memory(); err != nil {
		return s.fail("measuring", err)
	}
	idle := []byte(s.tubes[0] + "-idle")
	for i := range s.plan.idle {
		c, err := dialReady(ctx, s.address)
		if err != nil {
			return s.fail(fmt.Sprintf("opening the idle connections, after %d", i), err)
		}
		s.held = append(s.held, c)
		if err := c.writeAll(appendGear(appendGear(nil, gearCanDo, idle), gearPreSleep)); err != nil {
			return s.fail("opening the idle connections", err)
		}
	}
	if err := s.fillGear(ctx); err != nil {
		return s.fail("submitting the backlog", err)
	}
	s.prepared, err = s.memory()
	return s.fail("measuring", err)
}

// fillGear submits what the backlog lacks.
func (s *side) fillGear(ctx context.Context) error {
	if s.plan.backlog <= s.jobs {
		return nil
	}
	l, err := s.gearLoop(bulkDepth(s.opts.Size), nil)
	if err != nil {
		return err
	}
	defer l.close()
	l.toSubmit = s.plan.backlog - s.jobs
	for range bulkConns {
		if err := l.add(ctx, s.address, false); err != nil {
			return err
		}
	}
	err = l.run(ctx)
	s.jobs = l.outstanding
	return err
}

// measureGear runs one round and takes out what it left.
func (s *side) measureGear(ctx context.Context) error {
	if err := s.fillGear(ctx); err != nil {
		return s.fail("submitting the backlog", err)
	}
	m := &meter{
		pid: s.pid, warmup: s.opts.Warmup, length: s.opts.Duration, count: s.opts.Count,
		counted: deleteStep, latency: s.plan.latency,
	}
	if s.plan.workers == 0 {
		m.counted = putStep
	}
	l, err := s.gearLoop(s.opts.Depth, m)
	if err != nil {
		return s.fail("measuring", err)
	}
	defer l.close()
	l.bound = s.plan.ahead + s.plan.workers*s.opts.Depth
	if s.plan.workers == 0 {
		l.bound = maxCount
	}
	l.draining = s.plan.producers > 0 && s.plan.workers > 0
	for i := range s.plan.producers + s.plan.workers {
		if err := l.add(ctx, s.address, i >= s.plan.producers); err != nil {
			return s.fail("measuring", err)
		}
	}
	err = l.run(ctx)
	s.jobs = l.outstanding
	if err != nil {
		return s.fail("measuring", err)
	}
	s.rounds = append(s.rounds, m.round)
	if s.opts.Keep || s.plan.backlog > 0 {
		return nil
	}
	return s.drainGear(ctx)
}

// drainGear takes all jobs out of the server.
func (s *side) drainGear(ctx context.Context) error {
	if s.jobs == 0 {
		return nil
	}
	l, err := s.gearLoop(bulkDepth(s.opts.Size), nil)
	if err != nil {
		return s.fail("draining", err)
	}
	defer l.close()
	l.draining, l.stopping = true, true
	for range gearWorkers {
		if err := l.add(ctx, s.address, true); err != nil {
			return s.fail("draining", err)
		}
	}
	err = l.run(ctx)
	s.jobs = l.outstanding
	return s.fail("draining", err)
}
