package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
)

type reserveOptions struct {
	clientOptions
	tubes   string
	timeout time.Duration
}

func (o *reserveOptions) declareTubes(s *config.Set) {
	s.Var(config.Text(&o.tubes), "tube", "NAMES", "where to take jobs from: one tube, or several with commas;\nfrom `default` when none is named")
}

func (o *reserveOptions) tubeNames() []string {
	return strings.FieldsFunc(o.tubes, func(r rune) bool { return r == ',' })
}

func reserveCommand(args []string, stdout, stderr io.Writer) int {
	o := reserveOptions{}
	s := config.NewSet("millrace reserve", "", "Take one job, print its body, and delete it.\nExit code 1 says that no job came in time.")
	s.Group("Job")
	o.declareTubes(s)
	s.Var(config.Duration(&o.timeout), "timeout", "TIME", "how long to wait for a job, in whole seconds (0: only if one is ready)")
	o.declare(s)
	s.Examples = []string{"millrace reserve --tube mails --timeout 1m"}
	rest, exit, ok := parse(s, args, stdout, stderr)
	if !ok {
		return exit
	}
	if len(rest) > 0 {
		return usageError(stderr, errors.New("reserve takes no command; `millrace work` runs one for each job"))
	}
	if err := o.reserve(stdout); err != nil {
		return failure(stderr, err)
	}
	return exitOK
}

// reserve prints first and deletes after: a job that could not be printed is not
// lost.
func (o *reserveOptions) reserve(stdout io.Writer) error {
	c, err := o.dial()
	if err != nil {
		return err
	}
	defer c.conn.Close()
	if err := c.watchTubes(o.tubeNames()); err != nil {
		return err
	}
	r, err := c.call("RESERVED", fmt.Sprintf("reserve-with-timeout %d", seconds(o.timeout)), nil)
	if u := (unexpected{}); errors.As(err, &u) && u.answer == "TIMED_OUT" {
		return errors.New("no job came in time")
	} else if err != nil {
		return err
	}
	if _, err := stdout.Write(r.body); err != nil {
		return err
	}
	_, err = c.call("DELETED", "delete "+r.words[1], nil)
	return err
}
