package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/config"
)

// closeTimeout is how long clients may take to read the answers they are owed
// when the server ends.
const closeTimeout = 10 * time.Second

// Run starts a server, calls ready once it serves, and returns when a signal has
// ended it: SIGTERM and SIGINT end it in order, a second one at once; SIGUSR1 has
// it refuse puts, or with FinishOnUSR1 ends it when the jobs that run are done. The
// error is a *StartError, or what went wrong at the end.
func Run(o config.Options, log *slog.Logger, ready func(*Server)) error {
	boundGarbage()
	go giveBack(time.Tick(quiet))
	// A log that nobody reads any more must not end the server.
	signal.Ignore(syscall.SIGPIPE)
	// Until it serves, any signal may end the process at once: a start can be cut
	// short anywhere and done again.
	s, err := Start(o, log)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1)
	defer signal.Stop(signals)
	ready(s)
	if !s.serveUntilSignal(signals) {
		return errors.Join(s.engine.Failed(), s.end(signals))
	}
	return s.end(signals)
}

// serveUntilSignal reports whether a signal ended the service. If none did, the
// log has failed: nothing can be acknowledged any more, and who supervises the
// process is to see that.
func (s *Server) serveUntilSignal(signals <-chan os.Signal) bool {
	for {
		select {
		case <-s.engine.Down():
			return false
		case sig := <-signals:
			switch {
			case sig != syscall.SIGUSR1:
				s.log.Info("ending: requests under way are answered; a second signal ends at once", "signal", sig.String())
				return true
			case s.o.FinishOnUSR1:
				return s.finish(signals)
			}
			s.Drain()
		}
	}
}

// finish gives out no more jobs and returns when those that run are done, or at the
// next signal. The result is that of serveUntilSignal.
func (s *Server) finish(signals <-chan os.Signal) bool {
	s.gearman.Quiet()
	s.log.Info("ending when the jobs that run are done; another signal ends at once", "running", s.engine.Running())
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for s.engine.Running() > 0 {
		select {
		case <-s.engine.Down():
			return false
		case <-signals:
			return true
		case <-look.C:
		}
	}
	return true
}

// end closes the server in order, unless a second signal comes.
func (s *Server) end(signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Close(ctx) }()
	for {
		select {
		case err := <-ended:
			return err
		case sig := <-signals:
			if sig != syscall.SIGUSR1 {
				return ErrCutShort
			}
		}
	}
}

// ErrCutShort says that a second signal came before the server had ended in order.
var ErrCutShort = errors.New("ended at once by a second signal")
