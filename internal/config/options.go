package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// MaxJobSizeLimit is the most that the job size limit can be raised to, in bytes.
const MaxJobSizeLimit = 1 << 30

// NoData as a data directory means that jobs are kept in memory only.
const NoData = "none"

// Off as the address of a door closes it.
const Off = "off"

// Options is everything that `millrace serve` can be told.
type Options struct {
	Beanstalk string // address of the beanstalk door, or Off
	Gearman   Gearman
	Memcache  Memcache

	Data string // directory of the log, or NoData
	Sync Sync

	TLSCert, TLSKey string // files; both or none
	TLSClientCA     string // file; clients must show a certificate it signed
	InsecurePublic  bool   // allow an address other machines reach without TLS

	MaxJobSize      int64         // bytes
	MaxConns        int           // 0: as many as the system has descriptors for
	MaxConnsPerAddr int           // 0: no limit
	MaxWatched      int           // queues one connection may watch
	RequestTimeout  time.Duration // for a request that makes no progress

	LogFormat string // text or json
	LogLevel  string // debug, info, warn or error

	ImportBinlog  string                 // directory of a beanstalkd binlog to take over, or ""
	User          string                 // to become once the addresses are bound, or ""
	Verbose       bool                   // say on stdout what was bound, as `beanstalkd -V` does
	ClockOffset   time.Duration          // added to the wall clock, for tests of clock jumps
	FinishOnUSR1  bool                   // SIGUSR1 ends the server when the jobs that run are done, as gearmand's does
	Given         func(name string) bool // whether an option was given; nil: all were
	ClockFile     string                 // holds another such offset, for jumps while the server runs
	SnapshotBytes int64                  // logged between two snapshots; 0: the engine's default
}

// Defaults are the options of `millrace serve` when nothing is given. getenv
// finds the user's state folder.
func Defaults(getenv func(string) string) Options {
	return Options{
		Beanstalk:      "127.0.0.1:11300",
		Gearman:        defaultGearman(),
		Memcache:       defaultMemcache(),
		Data:           defaultData(getenv),
		MaxJobSize:     65535, // as beanstalkd's
		MaxWatched:     65536,
		RequestTimeout: 30 * time.Second,
		LogFormat:      "text",
		LogLevel:       "info",
	}
}

// defaultData is the user's state folder, by the XDG base directory rules.
func defaultData(getenv func(string) string) string {
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "millrace")
	}
	home := getenv("HOME")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	if home == "" {
		return ""
	}
	return filepath.Join(home, ".local", "state", "millrace")
}

// Declare adds the options to a set, with their present values as defaults.
func (o *Options) Declare(s *Set) {
	s.Group("Doors")
	s.Var(Text(&o.Beanstalk), "beanstalk", "ADDR", "beanstalk protocol: host:port, unix:/path, or `off`")
	s.Var(Text(&o.Gearman.Address), "gearman", "ADDR", "Gearman protocol, likewise")
	s.Var(Text(&o.Gearman.HTTP), "gearman-http", "ADDR", "Gearman's HTTP front end, likewise")
	s.Var(Text(&o.Memcache.Address), "memcache", "ADDR", "memcached protocol on queues, as Kestrel, likewise")
	s.Var(Text(&o.Memcache.KV), "memcache-kv", "ADDR", "memcached's own commands on keys in memory, beside queues,\nlikewise")

	s.Group("Data")
	s.Var(Text(&o.Data), "data", "DIR", "keep jobs in DIR, or `none`: in memory only")
	s.Var(&o.Sync, "sync", "WHEN", "flush to the disk `always` (before every answer), every so often\n(50ms), or `never`")

	s.Var(Text(&o.ImportBinlog), "import-binlog", "DIR", "when --data is new, take over the jobs of beanstalkd's binlog in DIR")

	s.Group("Who may connect")
	s.Var(Text(&o.TLSCert), "tls-cert", "FILE", "speak TLS, with this certificate (PEM)")
	s.Var(Text(&o.TLSKey), "tls-key", "FILE", "and this private key (PEM)")
	s.Var(Text(&o.TLSClientCA), "tls-client-ca", "FILE", "accept only clients with a certificate that FILE signed")
	s.Var(Switch(&o.InsecurePublic), "insecure-public", "", "allow an address that other machines can reach, without TLS")

	s.Group("Limits")
	s.Var(Size(&o.MaxJobSize), "max-job-size", "BYTES", "largest job, at most 1GiB")
	s.Var(Count(&o.MaxConns), "max-conns", "N", "connections in all (0: as many as the system allows)")
	s.Var(Count(&o.MaxConnsPerAddr), "max-conns-per-addr", "N", "connections from one address (0: any number)")
	s.Var(Count(&o.MaxWatched), "max-watched", "N", "queues that one connection may watch")
	s.Var(Duration(&o.RequestTimeout), "request-timeout", "TIME", "close a connection whose request makes no progress for so long\n(0: never)")

	o.Gearman.declare(s)
	o.Memcache.declare(s)

	s.Group("Other")
	s.Var(OneOf(&o.LogFormat, "text", "json"), "log-format", "WORD", "text or json, to stderr")
	s.Var(OneOf(&o.LogLevel, "debug", "info", "warn", "error"), "log-level", "WORD", "debug, info, warn or error")
	s.ConfigFile()
	s.Hidden(Offset(&o.ClockOffset), "clock-offset")
	s.Hidden(Text(&o.ClockFile), "clock-file")
	s.Hidden(Size(&o.SnapshotBytes), "snapshot-bytes")
}

// Check says in one sentence what is wrong with options that are each well formed.
func (o *Options) Check() error {
	switch {
	case o.Data == "":
		return fmt.Errorf("there is no home folder to keep jobs in: name one with --data DIR, or --data %s for memory only", NoData)
	case o.MaxJobSize > MaxJobSizeLimit:
		return errors.New("--max-job-size can be 1GiB at most")
	case (o.TLSCert == "") != (o.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key belong together: give both")
	case o.TLSClientCA != "" && o.TLSCert == "":
		return errors.New("--tls-client-ca needs --tls-cert and --tls-key")
	case o.Beanstalk == Off && !o.Gearman.open() && !o.Memcache.open():
		return errors.New("every door is off: give one an address, such as --beanstalk 127.0.0.1:11300")
	}
	if err := o.Gearman.check(); err != nil {
		return err
	}
	return o.Memcache.check()
}
