package netserve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Options are what all listeners of a server share. The zero value of each means
// its default.
type Options struct {
	// NewPort opens a driver's port to the engine, typically (*engine.Engine).NewPort.
	NewPort func(wake func()) Port
	// Logger takes what an operator should know. Default: discards.
	Logger *slog.Logger
	// Driver is "epoll" (Linux only; the default there) or "goroutines". TLS always
	// runs on goroutines.
	Driver string
	// Drivers is how many epoll loops share the connections. Default: 1 up to three
	// CPUs, then half of the CPUs, at most 4.
	Drivers int
	// MaxConns and MaxConnsPerAddress limit the connections that are open at a time;
	// those above are closed at once. Unix sockets count for the first only.
	// Default: no limit.
	MaxConns, MaxConnsPerAddress int
	// RequestTimeout is how long a client may leave a request unfinished without
	// sending any of it, and how long a TLS handshake may take. Default 30 s;
	// negative: for ever.
	RequestTimeout time.Duration
	// WriteTimeout is how long a client with output waiting may read none of it.
	// Default 60 s; negative: for ever.
	WriteTimeout time.Duration
	// UnreadLimit is how many bytes of output may wait for a client before its input
	// is left alone. Default 4 MiB.
	UnreadLimit int
}

// Server accepts connections and drives them.
type Server struct {
	o     Options
	gate  gate
	room  int // connections that there are descriptors for
	start time.Time

	mu        sync.Mutex
	listeners []*listener
	drivers   []runner
	crew      *crew // the one of drivers that is goroutines, if any
	started   bool
	closed    bool

	stopping  chan struct{} // closed when no connection is accepted any more
	accepting sync.WaitGroup
}

// runner is a driver as the server sees it. Its methods are called from any
// goroutine.
type runner interface {
	// visit runs do between two turns, and returns after it.
	visit(do func(*driver))
	// stopAccepting ends what the driver itself accepts.
	stopAccepting()
	// stop closes all connections and the port, and returns when that is done.
	stop()
}

// New makes a server without listeners.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.RequestTimeout = timeout(o.RequestTimeout, 30*time.Second)
	o.WriteTimeout = timeout(o.WriteTimeout, time.Minute)
	if o.UnreadLimit <= 0 {
		o.UnreadLimit = 4 << 20
	}
	return &Server{
		o:        o,
		gate:     gate{max: o.MaxConns, perAddress: o.MaxConnsPerAddress},
		room:     descriptorRoom(),
		start:    time.Now(),
		stopping: make(chan struct{}),
	}
}

// timeout gives d its default; the result is 0 for no limit.
func timeout(d, standard time.Duration) time.Duration {
	if d == 0 {
		return standard
	}
	return max(d, 0)
}

// clock is the time since the server was made.
func (s *Server) clock() time.Duration { return time.Since(s.start) }

// Start begins to accept connections. The engine must have been started.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started || s.closed {
		return errors.New("netserve: a server starts once")
	}
	s.started = true
	var forCrew []*listener
	switch s.o.Driver {
	case "", "epoll":
		rest, err := s.startLoops()
		if err != nil {
			return err
		}
		forCrew = rest
	case "goroutines":
		forCrew = s.listeners
	default:
		return fmt.Errorf("there is no I/O driver %q: use epoll or goroutines", s.o.Driver)
	}
	if len(forCrew) > 0 {
		s.crew = newCrew(s)
		s.drivers = append(s.drivers, s.crew)
	}
	for _, l := range forCrew {
		s.accepting.Go(func() { s.accept(l) })
	}
	return nil
}

// Connections is how many are open.
func (s *Server) Connections() int { return s.gate.count() }

// Drain stops accepting, closes every connection once the output of what it
// already asked for is flushed, and returns when all are closed. Input that has
// not been read is left. If ctx ends first, the error is its. Close follows.
func (s *Server) Drain(ctx context.Context) error {
	s.stopAccepting()
	for _, r := range s.drivers {
		empty := make(chan struct{})
		r.visit(func(d *driver) { d.drain(empty) })
		select {
		case <-empty:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Close stops accepting and closes every connection at once.
func (s *Server) Close() error {
	err := s.stopAccepting()
	s.mu.Lock()
	drivers := s.drivers
	s.drivers, s.closed = nil, true
	s.mu.Unlock()
	for _, r := range drivers {
		r.stop()
	}
	return err
}

// stopAccepting closes the listeners, and with them the files of unix sockets.
func (s *Server) stopAccepting() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stopping:
		return nil
	default:
		close(s.stopping)
	}
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.Close())
	}
	for _, r := range s.drivers {
		r.stopAccepting()
	}
	s.accepting.Wait()
	return errors.Join(errs...)
}
