package config

import (
	"errors"
	"fmt"
)

// Gearman is what the Gearman door can be told.
type Gearman struct {
	Address string // of the door, or Off
	HTTP    string // address of its HTTP front end, or Off

	Compat       string // "1.1" or "2.0": the gearmand to be like where they differ
	Retries      int    // as gearmand's --job-retries, which Compat gives its meaning
	RoundRobin   bool   // a worker's functions take turns, also with Compat 1.1
	Exceptions   bool   // clients get exceptions without asking
	Durable      bool   // keep foreground jobs, too
	Shutdown     bool   // allow the administrative command that ends the server
	HandlePrefix string // of job handles; "": H: and the host's name
	MaxPacket    int64  // bytes
	Verbose      string // what the administrative command says; "": ERROR
}

// MaxPacketLimit is the most that the size limit of packets can be raised to, in
// bytes.
const MaxPacketLimit = 1 << 30

// NoRetryLimit as Retries lets jobs be tried any number of times.
const NoRetryLimit = -1

func defaultGearman() Gearman {
	return Gearman{Address: "127.0.0.1:4730", HTTP: Off, Compat: "1.1", Retries: NoRetryLimit, MaxPacket: 64 << 20}
}

// Attempts is how many workers may fail a job before it is removed; 0: any number.
func (g *Gearman) Attempts() uint32 {
	switch {
	case g.Retries < 0:
		return 0
	case g.Compat == "2.0":
		return uint32(g.Retries) + 1
	}
	return uint32(g.Retries)
}

// open says whether any address is to be listened on.
func (g *Gearman) open() bool { return g.Address != Off || g.HTTP != Off }

func (g *Gearman) declare(s *Set) {
	s.Group("Gearman")
	s.Var(OneOf(&g.Compat, "1.1", "2.0"), "gearman-compat", "VERSION", "gearmand to be like where its versions differ: 1.1 or 2.0")
	s.Var(retries(&g.Retries), "gearman-retries", "N", "workers that may fail a job before it is removed (with 2.0: after the\nfirst), or `none`")
	s.Var(Switch(&g.Exceptions), "gearman-exceptions", "", "send exceptions to clients that did not ask for them, too")
	s.Var(Switch(&g.Durable), "gearman-durable", "", "keep foreground jobs on disk, as background jobs are")
	s.Var(Text(&g.HandlePrefix), "gearman-prefix", "TEXT", "what job handles begin with, instead of H: and the host's name")
	s.Var(Size(&g.MaxPacket), "gearman-max-packet", "BYTES", "largest packet, at most 1GiB")
	s.Var(Switch(&g.Shutdown), "gearman-shutdown", "", "let `shutdown` on the administrative protocol end the server")
}

// retries is an option that is a count, or none.
func retries(p *int) value {
	v := Count(p).(value)
	set := func(s string) error {
		if s == "none" {
			*p = NoRetryLimit
			return nil
		}
		if err := v.set(s); err != nil || *p > 1<<30 {
			return errors.New("must be a whole number, 0 or more, or none")
		}
		return nil
	}
	show := func() string {
		if *p < 0 {
			return "none"
		}
		return fmt.Sprint(*p)
	}
	return value{set: set, show: show}
}

func (g *Gearman) check() error {
	if g.MaxPacket > MaxPacketLimit || g.MaxPacket < 1024 {
		return errors.New("--gearman-max-packet can be 1KiB to 1GiB")
	}
	return nil
}
