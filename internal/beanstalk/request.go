package beanstalk

import (
	"bytes"
	"math"
	"time"
)

// Limits of the protocol's text, in bytes.
const (
	maxLine = 224 // a command line, its CRLF included
	maxName = 200 // a tube's name
)

// request is a line, read. It knows nothing of the connection it came over; name
// is a part of the line.
type request struct {
	cmd     command
	junk    bool // well-formed enough to be counted, but to be refused with BAD_FORMAT
	pri     uint32
	id      uint64
	n       uint64        // bytes of a put's body, or how many jobs
	delay   time.Duration // also the length of a pause
	ttr     time.Duration
	timeout time.Duration // negative: for ever
	name    []byte
}

// verdict is what parse thinks of a line.
type verdict uint8

const (
	wellFormed verdict = iota
	badFormat
	unknownCommand
)

// parse reads a line, which has lost its CRLF. Extension commands are known only
// when extended. It is as strict and as lax as beanstalkd: numbers follow any
// spaces, some commands end where their last argument does and others do not care.
func (r *request) parse(line []byte, extended bool) verdict {
	if bytes.IndexByte(line, 0) >= 0 {
		return badFormat
	}
	cmd := lookup(line, extended)
	if cmd == cmdNone {
		return unknownCommand
	}
	s := &commands[cmd]
	*r = request{cmd: cmd, timeout: -1}
	a := arguments{rest: line[len(s.word):], unit: s.unit}
	switch s.args {
	case argAny:
		return wellFormed
	case argPut:
		r.pri, r.delay, r.ttr = a.uint32(), a.duration(), a.duration()
		r.n = uint64(a.uint32())
		r.junk = len(a.rest) > 0
		a.rest = nil
	case argID:
		r.id = a.number(math.MaxUint64)
	case argIDPri:
		r.id, r.pri = a.number(math.MaxUint64), a.uint32()
	case argIDPriDelay:
		r.id, r.pri, r.delay = a.number(math.MaxUint64), a.uint32(), a.duration()
	case argTimeout:
		r.timeout = a.timeout()
		a.rest = nil
	case argCount:
		r.n = a.strtoul()
		a.rest = nil
	case argCountTimeout:
		r.n, r.timeout = uint64(a.uint32()), a.timeout()
	case argName:
		r.name, a.rest = a.rest, nil
		a.bad = !validName(r.name)
	case argNameDelay:
		r.name, r.delay = a.name(), a.duration()
		r.junk = !validName(r.name)
	}
	switch {
	case cmd == cmdHello && len(a.rest) > 0:
		return unknownCommand
	case a.bad || len(a.rest) > 0:
		return badFormat
	}
	return wellFormed
}

// arguments is what is left of a line. Once an argument is bad, bad stays set and
// the values that follow mean nothing.
type arguments struct {
	rest []byte
	unit time.Duration
	bad  bool
}

// number reads a decimal of at most max.
func (a *arguments) number(max uint64) (n uint64) {
	i := 0
	for i < len(a.rest) && a.rest[i] == ' ' {
		i++
	}
	start := i
	for ; i < len(a.rest) && isDigit(a.rest[i]); i++ {
		d := uint64(a.rest[i] - '0')
		if n > (max-d)/10 {
			a.bad = true
			return 0
		}
		n = n*10 + d
	}
	a.bad = a.bad || i == start
	a.rest = a.rest[i:]
	return n
}

func (a *arguments) uint32() uint32 { return uint32(a.number(math.MaxUint32)) }

// duration reads a number of units of up to 2^32-1 seconds.
func (a *arguments) duration() time.Duration {
	return time.Duration(a.number(uint64(math.MaxUint32*time.Second/a.unit))) * a.unit
}

// timeout reads a number of units of up to 2^31-1 seconds.
func (a *arguments) timeout() time.Duration {
	return time.Duration(a.number(uint64(math.MaxInt32*time.Second/a.unit))) * a.unit
}

// strtoul reads a number as C does on a machine of 64 bits, and keeps 32 of them,
// because that is how the peer counts what to kick: -1 means all.
func (a *arguments) strtoul() uint64 {
	i := 0
	for i < len(a.rest) && (a.rest[i] == ' ' || a.rest[i] >= '\t' && a.rest[i] <= '\r') {
		i++
	}
	negative := i < len(a.rest) && a.rest[i] == '-'
	if negative || i < len(a.rest) && a.rest[i] == '+' {
		i++
	}
	if i == len(a.rest) || !isDigit(a.rest[i]) {
		a.bad = true
		return 0
	}
	a.rest = a.rest[i:]
	n := a.number(math.MaxUint64)
	if negative {
		n = -n
	}
	return uint64(uint32(n))
}

// name reads the longest run of bytes that a tube's name may hold.
func (a *arguments) name() []byte {
	i := 0
	for i < len(a.rest) && a.rest[i] == ' ' {
		i++
	}
	start := i
	for i < len(a.rest) && nameByte[a.rest[i]] {
		i++
	}
	name := a.rest[start:i]
	a.bad = a.bad || len(name) == 0
	a.rest = a.rest[i:]
	return name
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// nameByte says which bytes a tube's name may hold.
var nameByte = func() (t [256]bool) {
	for _, b := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-+/;.$_()") {
		t[b] = true
	}
	return t
}()

func validName(name []byte) bool {
	if len(name) == 0 || len(name) > maxName || name[0] == '-' {
		return false
	}
	for _, b := range name {
		if !nameByte[b] {
			return false
		}
	}
	return true
}
