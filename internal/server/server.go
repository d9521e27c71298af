package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/beanstalk"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/gearman"
	"github.com/millrace/millrace/internal/memcache"
	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/wal"
)

// Version is the release, by semantic versioning.
const Version = "0.1.0"

// BeanstalkdVersion is what is said where beanstalkd says its version: the one
// whose protocol is spoken, and ours behind it.
const BeanstalkdVersion = "1.13+millrace-" + Version

// Server is a running server.
type Server struct {
	// Where the doors listen; nil: they are off.
	Beanstalk, Gearman, GearmanHTTP, Memcache, MemcacheKV net.Addr

	o       config.Options
	log     *slog.Logger
	held    []io.Closer // locks, given back last
	wal     *wal.Log    // nil: in memory
	engine  *engine.Engine
	net     *netserve.Server
	door    *beanstalk.Door
	gearman *gearman.Door
}

// Stage is the part of starting that failed.
type Stage int

const (
	StageOptions Stage = iota // the options are wrong
	StageListen               // an address cannot be had
	StageUser                 // the user cannot be become
	StageData                 // the data directory is not there or in use
	StageStart                // everything else
)

// StartError is why a server could not be started.
type StartError struct {
	Stage Stage
	Err   error
}

func (e *StartError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// Start starts a server. Addresses are bound first, so that whoever connects while
// a large log is read waits instead of being turned away; after that the server
// becomes the user it is to run as, who then owns all that is written. The error
// is a *StartError.
func Start(o config.Options, log *slog.Logger) (*Server, error) {
	s := &Server{o: o, log: log}
	steps := []struct {
		stage Stage
		run   func() error
	}{
		{StageOptions, o.Check},
		{StageListen, s.listen},
		{StageUser, func() error { return becomeUser(o.User) }},
		{StageData, s.lockBinlog},
		{StageStart, s.startEngine},
		{StageStart, func() error { return s.net.Start() }},
	}
	for _, step := range steps {
		if err := step.run(); err != nil {
			s.release()
			return nil, &StartError{step.stage, err}
		}
	}
	return s, nil
}

// listen binds the addresses of the doors.
func (s *Server) listen() error {
	s.net = netserve.New(netserve.Options{
		NewPort:            func(wake func()) netserve.Port { return s.engine.NewPort(wake) },
		Logger:             s.log,
		MaxConns:           s.o.MaxConns,
		MaxConnsPerAddress: s.o.MaxConnsPerAddr,
		RequestTimeout:     requestTimeout(s.o.RequestTimeout),
	})
	tls, err := tlsConfig(s.o)
	if err != nil {
		return err
	}
	inherited, err := netserve.Inherited()
	if err != nil {
		return err
	}
	for _, e := range s.entrances() {
		if e.address == config.Off {
			continue
		}
		o := netserve.ListenOptions{TLS: tls, AllowPublic: s.o.InsecurePublic}
		if len(inherited) > 0 {
			*e.bound = inherited[0].Addr()
			err = s.net.ListenOn(inherited[0], e.door, o)
			inherited = inherited[1:]
		} else {
			*e.bound, err = s.net.Listen(e.address, e.door, o)
		}
		if e.option != "" && errors.Is(err, syscall.EADDRINUSE) {
			s.log.Warn("a door stays closed: the address it has by default is in use; give it another, or off",
				"door", e.door.Name(), "address", e.address, "option", "--"+e.option)
			continue
		}
		if err != nil {
			return err
		}
	}
	for _, extra := range inherited {
		s.log.Warn("more listening sockets were inherited than there are doors", "ignored", extra.Addr())
		extra.Close()
	}
	return nil
}

// entrance is a door and where it is to listen.
type entrance struct {
	address string // or Off
	door    netserve.Door
	bound   *net.Addr
	option  string // of an address nobody asked for, which gives way; else empty
}

// entrances makes the doors. Sockets that were inherited are theirs in this order.
func (s *Server) entrances() []entrance {
	s.door = beanstalk.New(beanstalk.Options{
		MaxJobSize: uint32(s.o.MaxJobSize),
		MaxWatched: uint64(s.o.MaxWatched),
		Version:    BeanstalkdVersion,
		Binlog:     s.binlogStats,
	})
	g := gearman.New(s.gearmanOptions())
	s.gearman = g
	return []entrance{
		{s.o.Beanstalk, s.door, &s.Beanstalk, ""},
		{s.o.Gearman.Address, g, &s.Gearman, s.unasked("gearman")},
		{s.o.Gearman.HTTP, gearman.HTTP{Door: g}, &s.GearmanHTTP, ""},
		{s.o.Memcache.Address, memcache.New(s.memcacheOptions("")), &s.Memcache, s.unasked("memcache")},
		{s.o.Memcache.KV, memcache.New(s.memcacheOptions(s.o.Memcache.Prefix)), &s.MemcacheKV, ""},
	}
}

// unasked returns option if it was left at its default. Who has a gearmand or a
// second server on the machine is not to be turned away for a door he did not ask
// for.
func (s *Server) unasked(option string) string {
	if s.o.Given == nil || s.o.Given(option) {
		return ""
	}
	return option
}

// requestTimeout turns the option's 0, for ever, into netserve's.
func requestTimeout(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// startEngine opens the log, takes over a binlog if there is one to take over, and
// serves from then on.
func (s *Server) startEngine() error {
	o := engine.Options{Logger: s.log, Wall: s.wall, SnapshotBytes: s.o.SnapshotBytes}
	im := importer{from: s.o.ImportBinlog, data: s.o.Data, log: s.log}
	importing := false
	if s.o.Data != config.NoData {
		var err error
		if im.from != "" {
			if importing, err = im.wanted(); err != nil {
				return fmt.Errorf("cannot look for a binlog to import: %w", err)
			}
		}
		if s.wal, err = wal.Open(s.o.Data, wal.Options{Sync: walSync(s.o.Sync), Logger: s.log}); err != nil {
			return err
		}
		o.Log = s.wal
	}
	s.engine = engine.New(o)
	if err := s.engine.Start(); err != nil {
		return err
	}
	if importing {
		defer debug.FreeOSMemory() // the list of all jobs is not needed again
		return im.run(s.engine)
	}
	return nil
}

// wall is the wall clock, moved by the options for tests.
func (s *Server) wall() time.Time {
	now := time.Now().Add(s.o.ClockOffset)
	if s.o.ClockFile == "" {
		return now
	}
	text, _ := os.ReadFile(s.o.ClockFile)
	offset, _ := time.ParseDuration(strings.TrimSpace(string(text)))
	return now.Add(offset)
}

func walSync(s config.Sync) time.Duration {
	switch {
	case s.Never:
		return wal.SyncNever
	case s.Every > 0:
		return s.Every
	}
	return wal.SyncAlways
}

// binlogStats puts the log's figures in beanstalkd's words.
func (s *Server) binlogStats() beanstalk.Binlog {
	if s.wal == nil {
		return beanstalk.Binlog{MaxSize: beanstalkdFileSize}
	}
	st := s.wal.Stats()
	return beanstalk.Binlog{OldestIndex: st.Oldest, CurrentIndex: st.Current, RecordsWritten: st.Batches, MaxSize: uint64(st.SegmentSize)}
}

// beanstalkdFileSize is what beanstalkd says without a binlog, in bytes.
const beanstalkdFileSize = 10 << 20

// Drain refuses further puts, for good. Everything else goes on.
func (s *Server) Drain() {
	s.door.Drain()
	s.log.Info("drain mode: puts are refused until the server is started again")
}

// Close answers what is under way, closes the connections, and then the log. When
// ctx ends before that, it cuts the connections off.
func (s *Server) Close(ctx context.Context) error {
	if err := s.net.Drain(ctx); err != nil {
		s.log.Warn("some connections did not take their answers in time", "error", err)
	}
	return s.release()
}

// release gives back everything Start took, in reverse.
func (s *Server) release() error {
	var errs []error
	if s.net != nil {
		errs = append(errs, s.net.Close())
	}
	if s.engine != nil {
		errs = append(errs, s.engine.Close())
	}
	for _, h := range s.held {
		errs = append(errs, h.Close())
	}
	return errors.Join(errs...)
}

// lockBinlog takes the lock that beanstalkd takes on a directory with its binlog,
// so that the two never run on one directory at a time.
func (s *Server) lockBinlog() error {
	if s.o.ImportBinlog == "" {
		return nil
	}
	lock, err := lockFile(filepath.Join(s.o.ImportBinlog, "lock"))
	if err != nil {
		return fmt.Errorf("cannot use the directory %s: %w", s.o.ImportBinlog, err)
	}
	s.held = append(s.held, lock)
	return nil
}
