package bench

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Beanstalk as Options.Protocol is the protocol of beanstalkd.
const Beanstalk = "beanstalk"

// Options says what to measure and against which servers. Start from
// DefaultOptions; a zero count means none, not a default.
type Options struct {
	Address string // server under test: "host:port" or "unix:path"
	Versus  string // server it is compared with; "" measures Address alone

	// PID and VersusPID are the servers' process ids, for CPU time and memory;
	// 0 leaves those columns out. Linux only.
	PID, VersusPID int

	Protocol  string   // Beanstalk, Memcache or Gearman
	Scenarios []string // names out of Scenarios(Protocol)

	Conns     int // connections of the put scenario
	Producers int // connections that put, in every cycle scenario
	Workers   int // connections that reserve and delete
	Size      int // bytes of a job's body
	Depth     int // requests that a connection sends at once, before it waits for replies

	// Ahead bounds the jobs that are ready and wait for a worker: producers pause
	// at the bound, so that a cycle is measured in a steady state. 0 means twice
	// what the workers can ask for at once.
	Ahead int

	Tubes    int           // tubes of the scenarios about tubes
	Watchers int           // waiting workers of the watchers scenario
	Idle     int           // idle connections of the idle scenario
	Backlog  int           // jobs of the backlog scenario that are there before it starts
	Delay    time.Duration // delay of the delayed scenario's jobs; whole seconds
	Delayed  int           // jobs of the delayed scenario that are under way at once

	Rounds   int           // rounds per server; servers take turns
	Warmup   time.Duration // start of each round that does not count
	Duration time.Duration // measured part of each round
	Count    int           // jobs that end a round before Duration does; bounds the server's memory

	Keep     bool      // leave the jobs of the last round in the server
	Progress io.Writer // one line per preparation and round; nil for none
}

// DefaultOptions measures the usual three scenarios at the beanstalkd port.
func DefaultOptions() Options {
	return Options{
		Address:   "127.0.0.1:11300",
		Protocol:  Beanstalk,
		Scenarios: []string{"put", "cycle", "pingpong"},
		Conns:     64, Producers: 32, Workers: 32,
		Size: 256, Depth: 1,
		Tubes: 10_000, Watchers: 1000, Idle: 10_000, Backlog: 1_000_000,
		Delay: time.Second, Delayed: 10_000,
		Rounds: 5, Warmup: 250 * time.Millisecond, Duration: time.Second, Count: 500_000,
	}
}

// Limits keep what the generator itself allocates in bounds.
const (
	maxConns = 100_000
	maxDepth = 10_000
	maxSize  = 64 << 20
	maxPut   = 1 << 30 // bytes of prepared put requests
	maxCount = 1_000_000_000
)

// Validate reports the first option that can't be measured, in one sentence.
func (o *Options) Validate() error {
	if err := errors.Join(o.checkNumbers(), o.checkProtocol()); err != nil {
		return err
	}
	switch {
	case o.Address == "":
		return errors.New("bench: no server address; give host:port or unix:path")
	case len(o.Scenarios) == 0:
		return errors.New("bench: no scenario; name at least one")
	case o.Duration <= 0:
		return errors.New("bench: the duration of a round must be more than zero")
	case o.Delay < 0 || o.Delay%time.Second != 0:
		return fmt.Errorf("bench: delay is %v; the protocol takes whole seconds", o.Delay)
	}
	for _, name := range o.Scenarios {
		if _, err := planFor(name, o); err != nil {
			return err
		}
	}
	return nil
}

func (o *Options) checkNumbers() error {
	for _, f := range []struct {
		name          string
		value, lo, hi int
	}{
		{"conns", o.Conns, 1, maxConns},
		{"producers", o.Producers, 1, maxConns},
		{"workers", o.Workers, 1, maxConns},
		{"watchers", o.Watchers, 1, maxConns},
		{"idle", o.Idle, 0, maxConns},
		{"size", o.Size, 0, maxSize},
		{"depth", o.Depth, 1, maxDepth},
		{"ahead", o.Ahead, 0, maxCount},
		{"tubes", o.Tubes, 1, 1_000_000},
		{"backlog", o.Backlog, 0, maxCount},
		{"delayed", o.Delayed, 1, maxCount},
		{"rounds", o.Rounds, 1, 100_000},
		{"count", o.Count, 1, maxCount},
	} {
		if f.value < f.lo || f.value > f.hi {
			return fmt.Errorf("bench: %s is %d; give a number from %d to %d", f.name, f.value, f.lo, f.hi)
		}
	}
	return nil
}
