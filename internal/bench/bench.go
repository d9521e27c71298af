// Package bench is a load generator for servers of the beanstalkd protocol. It
// measures one server, or two that take turns in short rounds, so that whatever
// else the machine does falls on both.
//
// Connections send a batch of requests, wait for all the replies, and send the
// next batch; a worker that pipelines puts its deletes and its next reserves into
// one. Every reply is checked; anything unexpected ends the run. Jobs go
// into tubes of the run's own and are taken out again.
//
// All connections of a round are driven by one thread: the generator must cost
// less than the server it measures.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Run measures each scenario and reports the results in the order asked for. An
// error says which server it is about, and what was expected; the report then
// holds the scenarios before it.
func Run(ctx context.Context, o Options) (Report, error) {
	report := Report{Address: o.Address, Versus: o.Versus}
	if err := o.Validate(); err != nil {
		return report, err
	}
	for _, name := range o.Scenarios {
		row, err := o.compare(ctx, name)
		if err != nil {
			return report, err
		}
		report.Rows = append(report.Rows, row)
	}
	return report, nil
}

// compare measures one scenario on all servers, in turn.
func (o *Options) compare(ctx context.Context, name string) (row Row, err error) {
	p, err := planFor(name, o)
	if err != nil {
		return row, err
	}
	base := fmt.Sprintf("millrace-bench-%d-%s", os.Getpid(), name)
	sides, err := o.sides(p, base)
	if err != nil {
		return row, err
	}
	defer func() {
		failed := err != nil
		for _, s := range sides {
			err = errors.Join(err, s.finish(ctx, failed))
		}
	}()
	for _, s := range sides {
		o.progress("%s: preparing %s", name, s.address)
		if err := s.prepare(ctx); err != nil {
			return row, err
		}
	}
	for i := range o.Rounds {
		for _, s := range sides {
			if err := s.measure(ctx); err != nil {
				return row, err
			}
			o.progress("%s: round %d of %d, %s: %s", name, i+1, o.Rounds, s.address, &s.rounds[i])
		}
	}
	return o.row(name, p, sides), nil
}

func (o *Options) sides(p plan, base string) ([]*side, error) {
	first, err := newSide(o, p, o.Address, o.PID, base)
	if err != nil || o.Versus == "" {
		return []*side{first}, err
	}
	second, err := newSide(o, p, o.Versus, o.VersusPID, base)
	return []*side{first, second}, err
}

func (o *Options) progress(format string, args ...any) {
	if o.Progress != nil {
		fmt.Fprintf(o.Progress, format+"\n", args...)
	}
}
