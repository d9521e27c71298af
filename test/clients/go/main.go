// Command go runs the whole life of jobs through go-beanstalk against the server
// at the given address. A step that fails ends it with exit status 1.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/beanstalkd/go-beanstalk"
)

var address string

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go HOST:PORT")
		os.Exit(2)
	}
	address = os.Args[1]
	for _, s := range steps {
		run(s)
	}
}

// run ends the program when s fails, or does not end in 30 seconds.
func run(s step) {
	limit := time.AfterFunc(30*time.Second, func() { fail(s, "no end after 30 s") })
	defer limit.Stop()
	defer func() {
		if r := recover(); r != nil {
			fail(s, r)
		}
	}()
	s.run()
	fmt.Printf("ok - %s\n", s.name)
}

func fail(s step, why any) {
	fmt.Printf("not ok - %s: %v\n", s.name, why)
	os.Exit(1)
}

type step struct {
	name string
	run  func()
}

// same and check panic: run reports it.
func same[T comparable](want, got T, what string) {
	if want != got {
		panic(fmt.Sprintf("%s: want %.200v, got %.200v", what, want, got))
	}
}

func check(holds bool, what string) {
	if !holds {
		panic("does not hold: " + what)
	}
}

// ok is the value of a call that has to succeed.
func ok[T any](v T, err error) T {
	done(err)
	return v
}

func done(err error) {
	if err != nil {
		panic(err)
	}
}

// queue is a connection with a tube of its own.
type queue struct {
	*beanstalk.Conn
	tube *beanstalk.Tube
	set  *beanstalk.TubeSet
}

func on(tube string) queue {
	c := ok(beanstalk.Dial("tcp", address))
	return queue{c, beanstalk.NewTube(c, tube), beanstalk.NewTubeSet(c, tube)}
}

func (q queue) put(body string) uint64 {
	return ok(q.tube.Put([]byte(body), 1024, 0, time.Minute))
}

// takes reserves a job that must come in time, and gives its body.
func (q queue) takes(wait time.Duration) (uint64, string) {
	id, body, err := q.set.Reserve(wait)
	done(err)
	return id, string(body)
}

// empty says that no job comes in the given time.
func (q queue) empty(wait time.Duration, what string) {
	_, _, err := q.set.Reserve(wait)
	fails(err, beanstalk.ErrTimeout, what)
}
