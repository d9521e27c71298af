package beanstalk

import (
	"bytes"
	"math"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	long := bytes.Repeat([]byte("a"), maxName)
	for _, c := range []struct {
		line string
		want request
	}{
		{"put 1 2 3 4", request{cmd: cmdPut, pri: 1, delay: 2 * time.Second, ttr: 3 * time.Second, n: 4}},
		{"put  1   2  03 4", request{cmd: cmdPut, pri: 1, delay: 2 * time.Second, ttr: 3 * time.Second, n: 4}},
		{"put 1 2 3 4 ", request{cmd: cmdPut, pri: 1, delay: 2 * time.Second, ttr: 3 * time.Second, n: 4, junk: true}},
		{"put 4294967295 4294967295 4294967295 4294967295", request{cmd: cmdPut, pri: math.MaxUint32, delay: math.MaxUint32 * time.Second, ttr: math.MaxUint32 * time.Second, n: math.MaxUint32}},
		{"delete 18446744073709551615", request{cmd: cmdDelete, id: math.MaxUint64}},
		{"release 1 2 3", request{cmd: cmdRelease, id: 1, pri: 2, delay: 3 * time.Second}},
		{"release-ms 1 2 3", request{cmd: cmdReleaseMS, id: 1, pri: 2, delay: 3 * time.Millisecond}},
		{"bury 1 2", request{cmd: cmdBury, id: 1, pri: 2}},
		{"reserve", request{cmd: cmdReserve}},
		{"reserve-with-timeout 2147483647", request{cmd: cmdReserveTimeout, timeout: math.MaxInt32 * time.Second}},
		{"reserve-with-timeout 5 junk", request{cmd: cmdReserveTimeout, timeout: 5 * time.Second}},
		{"reserve-ms 5", request{cmd: cmdReserveMS, timeout: 5 * time.Millisecond}},
		{"reserve-batch 7 5", request{cmd: cmdReserveBatch, n: 7, timeout: 5 * time.Millisecond}},
		{"reserve-job 5", request{cmd: cmdReserveJob, id: 5}},
		{"kick -1", request{cmd: cmdKick, n: math.MaxUint32}},
		{"kick 4294967297 junk", request{cmd: cmdKick, n: 1}},
		{"kick-job 3", request{cmd: cmdKickJob, id: 3}},
		{"use " + string(long), request{cmd: cmdUse, name: long}},
		{"pause-tubedefault 9", request{cmd: cmdPauseTube, name: []byte("default"), delay: 9 * time.Second}},
		{"pause-tube -a 9", request{cmd: cmdPauseTube, name: []byte("-a"), delay: 9 * time.Second, junk: true}},
		{"pause-ms t 9", request{cmd: cmdPauseMS, name: []byte("t"), delay: 9 * time.Millisecond}},
		{"list-tubes-watched", request{cmd: cmdListTubesWatched}},
		{"stats", request{cmd: cmdStats}},
		{"quit whatever", request{cmd: cmdQuit}},
	} {
		if s := commands[c.want.cmd].args; s != argTimeout && s != argCountTimeout {
			c.want.timeout = -1
		}
		var got request
		if v := got.parse([]byte(c.line), true); v != wellFormed || !got.equal(c.want) {
			t.Errorf("%q: %d %+v, want %+v", c.line, v, got, c.want)
		}
	}
}

func (r request) equal(o request) bool {
	return bytes.Equal(r.name, o.name) && r.cmd == o.cmd && r.junk == o.junk && r.pri == o.pri && r.id == o.id && r.n == o.n &&
		r.delay == o.delay && r.ttr == o.ttr && r.timeout == o.timeout
}

// FuzzParse holds the parser to what the rest of the door relies on.
func FuzzParse(f *testing.F) {
	for c := range commands {
		f.Add([]byte(commands[c].word), true)
		f.Add([]byte(commands[c].word+"1 2 3 4"), false)
	}
	f.Fuzz(func(t *testing.T, line []byte, extended bool) {
		var r request
		if r.parse(line, extended) != wellFormed {
			return
		}
		s := commands[r.cmd]
		switch {
		case s.extension && !extended:
			t.Errorf("%q: %s before hello", line, r.cmd.name())
		case !bytes.HasPrefix(line, []byte(s.word)):
			t.Errorf("%q is no %s", line, r.cmd.name())
		case r.delay < 0 || r.delay > math.MaxUint32*time.Second || r.ttr < 0 || r.ttr > math.MaxUint32*time.Second:
			t.Errorf("%q: delay %v, ttr %v", line, r.delay, r.ttr)
		case r.timeout < -1 || r.timeout > math.MaxInt32*time.Second:
			t.Errorf("%q: timeout %v", line, r.timeout)
		case r.n > math.MaxUint32:
			t.Errorf("%q: n %d", line, r.n)
		case (s.args == argName || s.args == argNameDelay) && !r.junk && !validName(r.name):
			t.Errorf("%q: name %q", line, r.name)
		}
	})
}

// TestLookup holds the table to its order: no row hides a later one.
func TestLookup(t *testing.T) {
	for c := cmdNone + 1; c < commandCount; c++ {
		if got := lookup([]byte(commands[c].word), true); got != c {
			t.Errorf("%q is taken for %q", commands[c].word, commands[got].word)
		}
	}
}
