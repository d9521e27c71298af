package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/config"
)

type workOptions struct {
	reserveOptions
	count      int
	retryDelay time.Duration
}

func workCommand(args []string, stdout, stderr io.Writer) int {
	o := workOptions{retryDelay: 10 * time.Second}
	s := config.NewSet("millrace work", "COMMAND [ARGUMENT...]",
		"Run COMMAND for each job, one at a time: the body comes on its standard input, the\nid and the tube in MILLRACE_JOB_ID and MILLRACE_JOB_TUBE. If it exits with 0 the job is\ndeleted, otherwise it is released and comes back after a delay. While the command\nruns, the job stays held. SIGTERM lets the current job finish; a second one kills it.")
	s.Group("Job")
	o.declareTubes(s)
	s.Var(config.Count(&o.count), "count", "N", "end after N jobs (0: go on for ever)")
	s.Var(config.Duration(&o.retryDelay), "retry-delay", "TIME", "how long a job waits after its command failed, in whole seconds")
	o.declare(s)
	s.Examples = []string{
		`millrace work sh -c 'echo "$MILLRACE_JOB_ID: $(cat)"'`,
		"millrace work --tube mails --count 100 ./send-mail --fast",
	}
	rest, exit, ok := parse(s, args, stdout, stderr)
	if !ok {
		return exit
	}
	if len(rest) == 0 {
		return usageError(stderr, errors.New("work needs a command to run for each job, such as `millrace work cat`"))
	}
	w := worker{workOptions: o, command: rest, stdout: stdout, stderr: stderr}
	if err := w.run(); err != nil {
		return failure(stderr, err)
	}
	return exitOK
}

// worker runs a command for each job.
type worker struct {
	workOptions
	command        []string
	stdout, stderr io.Writer
	client         *client
}

func (w *worker) run() error {
	if _, err := exec.LookPath(w.command[0]); err != nil {
		return fmt.Errorf("cannot run the command: %w", err)
	}
	var err error
	if w.client, err = w.dial(); err != nil {
		return err
	}
	defer w.client.conn.Close()
	if err := w.client.watchTubes(w.tubeNames()); err != nil {
		return err
	}
	stop, kill := stopSignals()
	for done := 0; w.count == 0 || done < w.count; done++ {
		job, err := w.next(stop)
		if stop.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.work(kill, job); err != nil {
			return err
		}
	}
	return nil
}

// stopSignals returns a context that the first SIGTERM or SIGINT ends, and one
// that the second does.
func stopSignals() (stop, kill context.Context) {
	stop, stopNow := context.WithCancel(context.Background())
	kill, killNow := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		stopNow()
		<-signals
		killNow()
	}()
	return stop, kill
}

// heldJob is a job this worker holds.
type heldJob struct {
	id, tube string
	pri      string
	ttr      time.Duration
	body     []byte
}

// next waits for a job. When stop ends meanwhile, the connection is closed, which
// gives back a job that is just on its way.
func (w *worker) next(stop context.Context) (heldJob, error) {
	defer context.AfterFunc(stop, func() { w.client.conn.Close() })()
	for {
		r, err := w.client.call("RESERVED", "reserve", nil)
		if u := (unexpected{}); errors.As(err, &u) && u.answer == "DEADLINE_SOON" {
			continue
		} else if err != nil {
			return heldJob{}, err
		}
		job := heldJob{id: r.words[1], body: r.body}
		info, err := w.client.call("OK", "stats-job "+job.id, nil)
		if err != nil {
			return heldJob{}, err
		}
		stats := fields(info.body)
		ttr, _ := strconv.Atoi(stats["ttr"])
		job.tube, job.pri, job.ttr = stats["tube"], stats["pri"], time.Duration(ttr)*time.Second
		return job, nil
	}
}

// work runs the command for one job and settles it. Only a lost connection is an
// error.
func (w *worker) work(kill context.Context, job heldJob) error {
	held := w.hold(job)
	failed := w.runCommand(kill, job)
	held()
	request, want := "delete "+job.id, "DELETED"
	if failed != nil {
		request, want = fmt.Sprintf("release %s %s %d", job.id, job.pri, seconds(w.retryDelay)), "RELEASED"
	}
	_, err := w.client.call(want, request, nil)
	if errors.As(err, new(unexpected)) {
		fmt.Fprintf(w.stderr, "millrace: job %s is no longer held: its ttr of %s ran out, and another worker may have it\n", job.id, job.ttr)
		return nil
	}
	if err == nil && failed != nil {
		fmt.Fprintf(w.stderr, "millrace: job %s failed (%v): released, ready again in %ds\n", job.id, failed, seconds(w.retryDelay))
	}
	return err
}

// hold touches the job until the function it returns is called.
func (w *worker) hold(job heldJob) (end func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(max(job.ttr/3, 100*time.Millisecond))
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				// A touch that fails says nothing that delete or release will not say.
				w.client.call("TOUCHED", "touch "+job.id, nil)
			}
		}
	}()
	return func() { close(stop); <-stopped }
}

func (w *worker) runCommand(kill context.Context, job heldJob) error {
	c := exec.CommandContext(kill, w.command[0], w.command[1:]...)
	c.Stdin = bytes.NewReader(job.body)
	c.Stdout, c.Stderr = w.stdout, w.stderr
	c.Env = append(os.Environ(), "MILLRACE_JOB_ID="+job.id, "MILLRACE_JOB_TUBE="+job.tube)
	// Ctrl-C in a terminal goes to the whole group: the current job is to finish.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return c.Run()
}
