package bench

import (
	"context"
	"fmt"
	"time"
)

// side is one server under measurement in one scenario.
type side struct {
	address string
	pid     int
	plan    plan
	opts    *Options

	tubes    []string  // tubes of the scenario's jobs
	requests *requests // what rounds send
	bulk     *requests // what fill and drain send
	held     []*socket // connections that stay as they are for all rounds
	jobs     int       // jobs of ours in the server
	rounds   []round

	before, prepared int64 // the server's resident bytes before and after preparation
}

func newSide(o *Options, p plan, address string, pid int, base string) (*side, error) {
	s := &side{address: address, pid: pid, plan: p, opts: o, tubes: tubeNames(base, p.tubes)}
	var err error
	if s.requests, err = newRequests(s.tubes, o.Size, o.Depth, p.delay); err != nil {
		return nil, err
	}
	s.bulk, err = newRequests(s.tubes, o.Size, bulkDepth(o.Size), p.delay)
	return s, err
}

// bulkConns connections fill and drain, which is not measured and goes as fast as
// the server lets it.
const bulkConns = 8

// bulkDepth is how many jobs each of them sends at once: about a megabyte.
func bulkDepth(size int) int { return min(max((1<<20)/(size+1), 1), 64) }

// fail says which server an error is about.
func (s *side) fail(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("bench: %s: %s: %w", s.address, doing, err)
}

// prepare does what the scenario needs once, before the first round.
func (s *side) prepare(ctx context.Context) (err error) {
	if s.opts.Protocol == Gearman {
		return s.prepareGear(ctx)
	}
	if s.before, err = s.memory(); err != nil {
		return s.fail("measuring", err)
	}
	if err := s.keepTubes(ctx); err != nil {
		return s.fail("making the live tubes", err)
	}
	if err := s.openIdle(ctx); err != nil {
		return s.fail("opening the idle connections", err)
	}
	if err := s.fill(ctx); err != nil {
		return s.fail("putting the backlog", err)
	}
	s.prepared, err = s.memory()
	return s.fail("measuring", err)
}

func (s *side) memory() (int64, error) {
	if s.pid == 0 {
		return 0, nil
	}
	u, err := usageOf(s.pid)
	return u.memory, err
}

func (s *side) keepTubes(ctx context.Context) error {
	if s.plan.liveTubes == 0 {
		return nil
	}
	c, err := dialWatcher(ctx, s.address, tubeNames(s.tubes[0]+"-live", s.plan.liveTubes))
	if err == nil {
		s.held = append(s.held, c)
	}
	return err
}

func (s *side) openIdle(ctx context.Context) error {
	tube := []string{s.tubes[0] + "-idle"}
	for i := range s.plan.idle {
		c, err := dialWatcher(ctx, s.address, tube)
		if err != nil {
			return fmt.Errorf("after %d of %d: %w", i, s.plan.idle, err)
		}
		s.held = append(s.held, c)
		if err := c.writeAll([]byte(reserveLine)); err != nil {
			return err
		}
	}
	return nil
}

// fill puts the backlog.
func (s *side) fill(ctx context.Context) error {
	if s.plan.backlog == 0 {
		return nil
	}
	l, err := newLoop(s.bulk, bulkDepth(s.opts.Size), nil)
	if err != nil {
		return err
	}
	defer l.close()
	if err := s.addProducers(ctx, l, bulkConns); err != nil {
		return err
	}
	l.toPut = s.plan.backlog
	err = l.run(ctx)
	s.jobs += l.inserted
	return err
}

// measure runs one round and takes out what it left.
func (s *side) measure(ctx context.Context) error {
	if s.opts.Protocol == Gearman {
		return s.measureGear(ctx)
	}
	m := &meter{
		pid: s.pid, warmup: s.opts.Warmup, length: s.opts.Duration, count: s.opts.Count,
		counted: deleteStep, latency: s.plan.latency, delay: s.plan.delay,
	}
	if m.delay > 0 {
		// Nothing comes back for the first delay, and all of it within the second.
		m.warmup, m.length = m.warmup+m.delay, max(m.length, m.delay)
	}
	play := s.play
	if s.opts.Protocol == Memcache {
		m.counted, play = reserveStep, s.playMemcache
	}
	if s.plan.workers+s.plan.players == 0 {
		m.counted = putStep
	}
	if err := play(ctx, m); err != nil {
		return s.fail("measuring", err)
	}
	s.rounds = append(s.rounds, m.round)
	if s.opts.Keep {
		return nil
	}
	return s.drain(ctx, s.plan.backlog, patience)
}

func (s *side) play(ctx context.Context, m *meter) error {
	l, err := newLoop(s.requests, s.opts.Depth, m)
	if err != nil {
		return err
	}
	defer l.close()
	if err := s.connect(ctx, l); err != nil {
		return err
	}
	l.bound = s.plan.ahead
	if s.plan.delay > 0 {
		l.bound, l.limit, l.ramp = 0, s.plan.ahead, s.plan.delay
	}
	err = l.run(ctx)
	s.jobs += l.inserted - l.deleted
	return err
}

// connect opens the connections of a round.
func (s *side) connect(ctx context.Context, l *loop) error {
	if err := s.addProducers(ctx, l, s.plan.producers); err != nil {
		return err
	}
	for i := range s.plan.workers {
		if err := s.addWorker(ctx, l, s.share(i), i%len(s.tubes)); err != nil {
			return err
		}
	}
	if s.plan.workers > 0 {
		var err error
		if l.filler, err = dial(ctx, s.address); err != nil {
			return err
		}
	}
	for range s.plan.players {
		c, err := dialPlayer(ctx, s.address, s.tubes[0])
		if err != nil {
			return err
		}
		if err := l.add(c, playerSteps, 0); err != nil {
			return err
		}
	}
	return nil
}

// addProducers adds n connections that start spread over the tubes.
func (s *side) addProducers(ctx context.Context, l *loop, n int) error {
	for i := range n {
		tube := i * len(s.tubes) / n
		c, err := dialUser(ctx, s.address, s.tubes[tube])
		if err != nil {
			return err
		}
		if err := l.add(c, producerSteps, tube); err != nil {
			return err
		}
	}
	return nil
}

// addWorker adds a connection that watches the tubes; tube is the number of one.
func (s *side) addWorker(ctx context.Context, l *loop, tubes []string, tube int) error {
	c, err := dialWatcher(ctx, s.address, tubes)
	if err != nil {
		return err
	}
	return l.add(c, workerSteps, tube)
}

// share is what worker i watches.
func (s *side) share(i int) []string {
	if s.plan.watchAll || len(s.tubes) == 1 {
		return s.tubes
	}
	var mine []string
	for t := i; t < len(s.tubes); t += s.plan.workers {
		mine = append(mine, s.tubes[t])
	}
	return mine
}

// drain takes jobs of ours out of the server until only keep are left. It asks for
// exactly as many as there are, so that no connection waits for a job in vain.
func (s *side) drain(ctx context.Context, keep int, patience time.Duration) error {
	if s.jobs <= keep {
		return nil
	}
	l, err := newLoop(s.bulk, bulkDepth(s.opts.Size), nil)
	if err != nil {
		return s.fail("draining", err)
	}
	defer l.close()
	workers := bulkConns
	if len(s.tubes) > 1 {
		workers = 1 // watching is slow where tubes are many
	}
	for range workers {
		if err := s.addWorker(ctx, l, s.tubes, 0); err != nil {
			return s.fail("draining", err)
		}
	}
	l.toReserve, l.patience = s.jobs-keep, patience
	err = l.run(ctx)
	s.jobs -= l.deleted
	return s.fail("draining", err)
}

// finish leaves the server as it was, also after ctx has ended. After a failure the
// count of jobs may be too high by those whose reply did not come: it tries, then.
func (s *side) finish(ctx context.Context, failed bool) error {
	for _, c := range s.held {
		c.close()
	}
	s.held = nil
	if s.opts.Keep || s.jobs == 0 {
		return nil
	}
	if s.opts.Protocol == Gearman {
		if failed {
			return fmt.Errorf("bench: %s: about %d jobs remain in function %s", s.address, s.jobs, s.tubes[0])
		}
		return s.drainGear(context.WithoutCancel(ctx))
	}
	patience := patience
	if failed {
		patience = time.Second
	}
	if err := s.drain(context.WithoutCancel(ctx), 0, patience); err != nil {
		return fmt.Errorf("%w; about %d jobs remain in tubes %s*", err, s.jobs, s.tubes[0])
	}
	return nil
}
