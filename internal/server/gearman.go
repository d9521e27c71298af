package server

import (
	"os"
	"syscall"

	"github.com/millrace/millrace/internal/gearman"
)

// gearmandVersions are what is said where gearmand says its version: the one that
// --gearman-compat names, and ours behind it.
var gearmandVersions = map[string]string{
	"1.1": "1.1.20+millrace-" + Version,
	"2.0": "2.0.0+millrace-" + Version,
}

// GearmandVersion is what `gearmand --version` says.
var GearmandVersion = gearmandVersions["1.1"]

// gearmanOptions are those of the Gearman door.
func (s *Server) gearmanOptions() gearman.Options {
	g := &s.o.Gearman
	o := gearman.Options{
		RoundRobin:        g.RoundRobin,
		Attempts:          g.Attempts(),
		Exceptions:        g.Exceptions,
		DurableForeground: g.Durable,
		HandlePrefix:      g.HandlePrefix,
		MaxPacket:         uint32(g.MaxPacket),
		MaxFunctions:      s.o.MaxWatched,
		Version:           gearmandVersions[g.Compat],
		Verbose:           g.Verbose,
		Clock:             s.wall,
	}
	if g.Compat == "2.0" {
		o.Compat = gearman.Compat20
	}
	if g.Shutdown {
		o.Shutdown = func() { syscall.Kill(os.Getpid(), syscall.SIGTERM) }
	}
	return o
}
