package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/server"
)

// Exit codes of beanstalkd, which scripts and unit files may know.
const (
	exitBeanstalkdUsage  = 5
	exitBeanstalkdDir    = 10
	exitBeanstalkdUser   = 33
	exitBeanstalkdListen = 111
)

// beanstalkdCommand stands in for beanstalkd: its arguments, its exit codes, its
// ways of answering.
func beanstalkdCommand(args []string, stdout, stderr io.Writer) int {
	warn := func(format string, a ...any) { fmt.Fprintf(stderr, "beanstalkd: "+format+"\n", a...) }
	o, err := config.Beanstalkd(args, warn)
	switch {
	case errors.Is(err, config.ErrVersion):
		fmt.Fprintf(stdout, "beanstalkd %s\n", server.BeanstalkdVersion)
		return exitOK
	case errors.Is(err, config.ErrHelp):
		fmt.Fprint(stderr, config.BeanstalkdUsage)
		return exitOK
	case err != nil:
		fmt.Fprint(stderr, config.BeanstalkdUsage)
		return exitBeanstalkdUsage
	}
	log := newLogger(o, stderr)
	if o.Verbose {
		fmt.Fprintf(stdout, "pid %d\n", os.Getpid())
	}
	err = server.Run(o, log, func(s *server.Server) { announce(stdout, log, o, s.Beanstalk) })
	if err != nil {
		warn("%v", err)
		return beanstalkdExit(err)
	}
	return exitOK
}

// announce says what was bound, and warns when anyone could use it: where
// beanstalkd listens by default, this does, too.
func announce(stdout io.Writer, log *slog.Logger, o config.Options, bound net.Addr) {
	if o.Verbose {
		fmt.Fprintf(stdout, "bind %s\n", shownAddress(bound))
	}
	log.Info("serving", "listen", shownAddress(bound), "data", o.Data, "sync", o.Sync.String())
	if t, ok := bound.(*net.TCPAddr); ok && !t.IP.IsLoopback() {
		log.Warn("other machines can reach this address, and anyone there can read and delete jobs: restrict it with -l 127.0.0.1 or a firewall")
	}
}

// beanstalkdExit is the code that beanstalkd ends with where Start fails.
func beanstalkdExit(err error) int {
	var start *server.StartError
	if !errors.As(err, &start) {
		return exitFailed
	}
	switch start.Stage {
	case server.StageOptions:
		return exitBeanstalkdUsage
	case server.StageListen:
		return exitBeanstalkdListen
	case server.StageUser:
		return exitBeanstalkdUser
	case server.StageData:
		return exitBeanstalkdDir
	}
	return exitFailed
}
