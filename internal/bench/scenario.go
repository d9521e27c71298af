package bench

import (
	"fmt"
	"strings"
	"time"
)

// Scenario is one thing that can be measured.
type Scenario struct {
	Name  string
	About string
	plan  func(o *Options) plan
}

// Scenarios lists what can be measured of servers of a protocol, in the order of a
// full run.
func Scenarios(protocol string) []Scenario {
	switch protocol {
	case Gearman:
		return gearScenarios
	case Memcache:
		return memcacheScenarios
	}
	return scenarios
}

var scenarios = []Scenario{
	{"put", "connections that only put", func(o *Options) plan {
		return plan{producers: o.Conns}
	}},
	{"cycle", "producers put, workers reserve and delete", cycle},
	{"pingpong", "one connection: put, reserve, delete", func(o *Options) plan {
		return plan{players: 1, latency: everyReply}
	}},
	{"live-tubes", "a cycle on one tube while many others exist", func(o *Options) plan {
		p := cycle(o)
		p.liveTubes = o.Tubes
		return p
	}},
	{"tubes", "producers use and put over many tubes, each worker watches its share", func(o *Options) plan {
		p := cycle(o)
		p.tubes = o.Tubes
		return p
	}},
	{"watched", "the same, and every worker watches all the tubes", func(o *Options) plan {
		p := cycle(o)
		p.tubes, p.watchAll = o.Tubes, true
		return p
	}},
	{"watchers", "a cycle with many workers that mostly wait", func(o *Options) plan {
		p := cycle(o)
		p.workers = o.Watchers
		return p
	}},
	{"idle", "a cycle while many connections wait in reserve for nothing", func(o *Options) plan {
		p := cycle(o)
		p.idle = o.Idle
		return p
	}},
	{"backlog", "a cycle behind many ready jobs", func(o *Options) plan {
		p := cycle(o)
		p.backlog = o.Backlog
		return p
	}},
	{"delayed", "jobs put with a delay; a bounded number is under way, latency is lateness", func(o *Options) plan {
		p := cycle(o)
		p.delay, p.latency = o.Delay, lateness
		p.ahead = o.Delayed
		return p
	}},
}

// plan is what a scenario does to one server.
type plan struct {
	producers int // connections that put
	workers   int // connections that reserve and delete
	players   int // connections that do both in turn

	tubes    int  // tubes that producers go round; up to 1: one tube, chosen once
	watchAll bool // every worker watches all tubes, instead of its share

	liveTubes int // tubes that one silent connection keeps alive
	idle      int // connections that wait in reserve on a tube of their own
	backlog   int // ready jobs that are there from the start

	foreground bool // Gearman: clients wait for results

	delay   time.Duration
	ahead   int // bound on jobs put and not yet reserved
	latency latencyOf
}

// latencyOf says what a plan's latency is the latency of.
type latencyOf int

const (
	acks       latencyOf = iota // from sending a put or delete to its reply; a reserve may wait by design
	everyReply                  // the same, with reserve: a job is always ready
	lateness                    // from a job's due time to its arrival at a worker
)

func (l latencyOf) String() string {
	return [...]string{"put and delete", "put, reserve and delete", "lateness"}[l]
}

func cycle(o *Options) plan {
	return plan{producers: o.Producers, workers: o.Workers}
}

// planFor finds the scenario and fills in what follows from the options.
func planFor(name string, o *Options) (plan, error) {
	var names []string
	for _, s := range Scenarios(o.Protocol) {
		if s.Name == name {
			p := s.plan(o)
			return p.complete(o)
		}
		names = append(names, s.Name)
	}
	return plan{}, fmt.Errorf("bench: the %s protocol has no scenario %q; there are %s", o.Protocol, name, strings.Join(names, ", "))
}

func (p plan) complete(o *Options) (plan, error) {
	p.tubes = max(p.tubes, 1)
	switch {
	case p.ahead > 0:
	case p.workers == 0:
		p.ahead = maxCount // nobody takes the jobs
	case o.Ahead > 0:
		p.ahead = o.Ahead
	default:
		p.ahead = 2 * p.workers * o.Depth
	}
	switch {
	case p.ahead < o.Depth:
		return p, fmt.Errorf("bench: at most %d jobs may wait for a worker, but %d are sent at once; raise ahead (or delayed) or lower depth", p.ahead, o.Depth)
	case p.tubes > 1 && p.tubes < p.workers && !p.watchAll:
		return p, fmt.Errorf("bench: %d workers can't share %d tubes; use fewer workers or more tubes", p.workers, p.tubes)
	case p.delay > 0 && o.Size < stampSize:
		return p, fmt.Errorf("bench: delayed jobs carry their due time, which needs a size of %d bytes or more", stampSize)
	}
	return p, nil
}

// conns is how many connections a round of the plan opens.
func (p *plan) conns() int { return p.producers + p.workers + p.players }
