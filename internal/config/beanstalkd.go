package config

import (
	"errors"
	"math"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What Beanstalkd answers when nothing is to be served.
var (
	ErrUsage   = errors.New("wrong usage") // exit code 5
	ErrVersion = errors.New("the version was asked for")
)

// BeanstalkdUsage is the help of `millrace beanstalkd` and of a binary called
// beanstalkd.
const BeanstalkdUsage = `Use: beanstalkd [OPTIONS]

Options:
 -b DIR   keep jobs in DIR (without it: in memory only); a binlog of
          beanstalkd that is there is taken over once and left as it is
 -f MS    flush to the disk once every MS milliseconds, and answer before;
          use -f0 for "before every answer", which is also the default
 -F       never flush
 -l ADDR  listen on address ADDR, or unix:PATH (default is 0.0.0.0)
 -p PORT  listen on port PORT (default is 11300)
 -u USER  become user USER and its group
 -z BYTES largest job (default is 65535, at most 1073741824)
 -s BYTES accepted and not used: files of the log have a size of their own
 -c, -n   accepted and not used
 -v       print the version
 -V       say more on what goes on; -VV says still more
 -h       show this help
`

// beanstalkd reads the arguments of beanstalkd.
type beanstalkd struct {
	o          *Options
	host, port string
	verbosity  int
	warn       func(format string, args ...any)
	rest       []string // arguments not looked at yet
}

// Beanstalkd reads arguments as beanstalkd does and returns what they ask for.
// warn gets each sentence that beanstalkd would print. The error is ErrHelp,
// ErrVersion or ErrUsage (of which warn was told), or nil.
func Beanstalkd(args []string, warn func(format string, args ...any)) (Options, error) {
	o := Defaults(func(string) string { return "" })
	o.Data = NoData
	o.Gearman.Address, o.Memcache.Address = Off, Off
	o.InsecurePublic = true // what stands in for beanstalkd listens where it did
	b := beanstalkd{o: &o, host: "0.0.0.0", port: "11300", warn: warn, rest: args}
	for len(b.rest) > 0 {
		arg := b.rest[0]
		b.rest = b.rest[1:]
		if len(arg) < 2 || arg[0] != '-' {
			warn("unknown argument: %s", arg)
			return o, ErrUsage
		}
		if err := b.flags(arg); err != nil {
			return o, err
		}
	}
	o.Beanstalk = b.address()
	o.Verbose = b.verbosity > 0
	if b.verbosity > 1 {
		o.LogLevel = "debug"
	}
	return o, nil
}

// flags reads one argument of flags written together, such as -Fb DIR or -p11300.
func (b *beanstalkd) flags(arg string) error {
	for i := 1; i < len(arg); i++ {
		c := arg[i]
		if strings.IndexByte("bflpsuz", c) < 0 {
			if err := b.flag(c); err == ErrUsage {
				b.warn("unknown flag: %s", arg[i-1:])
				return err
			} else if err != nil {
				return err
			}
			continue
		}
		value := arg[i+1:]
		if value == "" {
			if len(b.rest) == 0 {
				b.warn("flag requires an argument: -%c", c)
				return ErrUsage
			}
			value, b.rest = b.rest[0], b.rest[1:]
		}
		return b.option(c, value)
	}
	return nil
}

// flag takes a flag that has no value.
func (b *beanstalkd) flag(c byte) error {
	switch c {
	case 'F':
		b.o.Sync = Sync{Never: true}
	case 'V':
		b.verbosity++
	case 'c', 'n':
		b.warn("-%c flag was removed. binlog is always compacted.", c)
	case 'h':
		return ErrHelp
	case 'v':
		return ErrVersion
	default:
		return ErrUsage
	}
	return nil
}

// option takes a flag that has a value.
func (b *beanstalkd) option(c byte, value string) error {
	switch c {
	case 'b':
		b.o.Data, b.o.ImportBinlog = filepath.Join(value, "millrace"), value
		return nil
	case 'l':
		if value == "" { // to net it would be every address there is
			b.warn("-l needs an address; an empty one is none")
			return ErrUsage
		}
		b.host = value
		return nil
	case 'p':
		b.port = value
		return nil
	case 'u':
		b.o.User = value
		return nil
	}
	n, ok := parseSize(value)
	if !ok {
		b.warn("invalid size: %s", value)
		return ErrUsage
	}
	switch c {
	case 'f':
		b.o.Sync = syncEvery(n)
	case 'z':
		if n > MaxJobSizeLimit {
			b.warn("maximum job size was set to %d", MaxJobSizeLimit)
			n = MaxJobSizeLimit
		}
		b.o.MaxJobSize = int64(n)
	}
	return nil
}

// parseSize reads a number as scanf's %zu does: with leading spaces and a sign,
// wrapped when negative, and the largest there is when too large.
func parseSize(s string) (uint64, bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	digits := strings.TrimPrefix(s, "+")
	if digits == s {
		digits = strings.TrimPrefix(s, "-")
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return math.MaxUint64, true
	}
	if s[0] == '-' {
		n = -n
	}
	return n, true
}

// syncEvery is `-f ms`. An interval of more than a day is as good as none.
func syncEvery(ms uint64) Sync {
	if ms > uint64(24*time.Hour/time.Millisecond) {
		return Sync{Never: true}
	}
	return Sync{Every: time.Duration(ms) * time.Millisecond}
}

// address joins -l and -p.
func (b *beanstalkd) address() string {
	if strings.HasPrefix(b.host, "unix:") {
		return b.host
	}
	return net.JoinHostPort(b.host, b.port)
}
