package beanstalk

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve/nettest"
)

var (
	seed  = flag.Uint64("seed", 0, "of the differential test; 0: a new one each time")
	steps = flag.Int("steps", 4000, "of the differential test")
)

// TestDifferential sends the same random commands, right ones and wrong ones, over
// several connections to beanstalkd and to the door, and compares every answer.
// What is left out or made alike is in docs/beanstalk.md.
func TestDifferential(t *testing.T) {
	if !*oracle {
		t.Skip("asks the installed beanstalkd, with -oracle")
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-seed %d -steps %d", *seed, *steps)
	e := engine.New(engine.Options{})
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	d := &differential{
		Rand:   rand.New(rand.NewPCG(*seed, 0)),
		theirs: startBeanstalkd(t),
		ours:   nettest.New(t, e, New(Options{})),
	}
	// The first pair keeps the tubes that are paused alive.
	for i := range 4 {
		d.pairs = append(d.pairs, d.dial())
		d.pairs[i].ask(t, "list-tube-used\r\n", 1) // now it is connected
	}
	d.pairs[0].ask(t, "watch t1\r\n", 0)
	d.pairs[0].ask(t, "stats\r\n", 0)
	for range *steps {
		d.next(t)
		if t.Failed() {
			return
		}
	}
}

// differential is a run under way.
type differential struct {
	*rand.Rand
	theirs *beanstalkd
	ours   *nettest.Server
	pairs  []*pair
	lastID int
}

// pair is a client that is connected to both servers.
type pair struct {
	theirs, ours *talker
	waits        bool // in a reserve
}

// talker is one of a pair's connections.
type talker struct {
	connection
	r *bufio.Reader
}

func (d *differential) dial() *pair {
	a, b := d.theirs.dial(), connection(d.ours.Dial())
	return &pair{theirs: &talker{a, bufio.NewReader(a)}, ours: &talker{b, bufio.NewReader(b)}}
}

// ask sends a command whose answer has usings lines that begin with USING. A
// list-tube-used behind it shows where its answer ends.
func (p *pair) ask(t *testing.T, command string, usings int) string {
	t.Helper()
	var answers [2]string
	for i, c := range []*talker{p.theirs, p.ours} {
		if _, err := c.Write([]byte(command + "list-tube-used\r\n")); err != nil {
			t.Fatal(err)
		}
		answers[i] = c.answer(t, command, usings+1)
	}
	if answers[0] != answers[1] {
		t.Fatalf("-seed %d: to %.300q\nbeanstalkd says %.2000q\nwe say          %.2000q", *seed, command, answers[0], answers[1])
	}
	return answers[0]
}

// answer reads up to the last of a number of lines that begin with USING.
func (c *talker) answer(t *testing.T, command string, usings int) string {
	t.Helper()
	var b strings.Builder
	for usings > 0 {
		line := c.line(t, command)
		if strings.HasPrefix(line, "USING ") {
			usings--
		}
		if strings.HasPrefix(line, "OK ") {
			line = c.document(t, command)
		}
		b.WriteString(line)
	}
	return b.String()
}

func (c *talker) line(t *testing.T, command string) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	line, err := c.r.ReadString('\n')
	if err != nil {
		t.Fatalf("-seed %d: to %.300q: got %q: %v", *seed, command, line, err)
	}
	return line
}

// varies are the figures that are not compared: they depend on the machine, or
// count time.
var varies = []string{
	"pid", "version", "rusage-utime", "rusage-stime", "uptime", "id",
	"age", "time-left", "pause-time-left",
}

// document reads the rest of a YAML reply and makes it comparable: names may be in
// quotes.
func (c *talker) document(t *testing.T, command string) string {
	t.Helper()
	var lines []string
	for {
		line := c.line(t, command)
		if line == "\r\n" {
			break
		}
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if slices.Contains(varies, key) && !(key == "id" && strings.HasPrefix(command, "stats-job")) {
			value = "*"
		}
		lines = append(lines, key+": "+strings.Trim(value, `"`))
	}
	return strings.Join(lines, "\n") + "\n"
}

// next does a step, and looks after who waits.
func (d *differential) next(t *testing.T) {
	p := d.pairs[1+d.IntN(len(d.pairs)-1)]
	for p.waits {
		p = d.pairs[1+d.IntN(len(d.pairs)-1)]
	}
	switch n := d.IntN(1000); {
	case n < 5:
		d.reconnect(t, p)
	case n < 25 && !d.anyWaits():
		d.wait(t, p)
	case n < 40:
		p.ask(t, "pause-tube "+d.pick("default", "t1")+d.pick(" 0", " 1000")+"\r\n", 0)
		d.theirs.settle() // a pause of 0 takes beanstalkd a moment
	default:
		command, usings := d.command()
		answer := p.ask(t, command, usings)
		fmt.Sscanf(answer, "INSERTED %d", &d.lastID)
	}
	d.lookAfter(t)
}

func (d *differential) anyWaits() bool {
	return slices.ContainsFunc(d.pairs, func(p *pair) bool { return p.waits })
}

// reconnect replaces a pair by a new one once both servers have seen it go.
func (d *differential) reconnect(t *testing.T, p *pair) {
	for _, c := range []*talker{p.theirs, p.ours} {
		c.Close()
	}
	want := fmt.Sprintf("current-connections: %d\n", len(d.pairs)-1)
	for gone := false; !gone; {
		d.theirs.settle()
		gone = true
		for _, c := range []*talker{d.pairs[0].theirs, d.pairs[0].ours} {
			fmt.Fprint(c, "stats\r\nlist-tube-used\r\n")
			gone = strings.Contains(c.answer(t, "stats", 1), want) && gone
		}
	}
	*p = *d.dial()
	p.ask(t, "list-tube-used\r\n", 1)
}

// wait has p wait in a reserve. Who of several is served is not the same, so only
// one waits at a time.
func (d *differential) wait(t *testing.T, p *pair) {
	word := d.pick("reserve", "reserve-with-timeout 1000")
	for _, c := range []*talker{p.theirs, p.ours} {
		fmt.Fprint(c, word+"\r\nlist-tube-used\r\n")
	}
	p.waits = true
	d.theirs.settle()
}

// lookAfter reads the job that who waits was given.
func (d *differential) lookAfter(t *testing.T) {
	i := slices.IndexFunc(d.pairs, func(p *pair) bool { return p.waits })
	if i < 0 {
		return
	}
	if !strings.Contains(d.pairs[0].stats(t), "current-waiting: 0\n") {
		return
	}
	d.pairs[i].waits = false
	theirs, ours := d.pairs[i].theirs.answer(t, "reserve", 1), d.pairs[i].ours.answer(t, "reserve", 1)
	if theirs != ours {
		t.Fatalf("-seed %d: who waits gets of beanstalkd %q\nof us %q", *seed, theirs, ours)
	}
}

func (p *pair) stats(t *testing.T) string { return p.ask(t, "stats\r\n", 0) }

func (d *differential) pick(of ...string) string { return of[d.IntN(len(of))] }

// command makes up a command. Numbers of jobs are such that they are often right.
func (d *differential) command() (command string, usings int) {
	tube := func() string { return d.pick("default", "t1", "t2", "t3") }
	id := func() string { return fmt.Sprint(max(1, d.lastID-d.IntN(30))) }
	pri := func() string { return d.pick("0", "1", "1023", "1024", "5", "4294967295") }
	delay := func() string { return d.pick("0", "0", "0", "1000", "2000", "40000") }
	switch d.IntN(26) {
	case 0, 1, 2, 3, 4, 5:
		body := strings.Repeat("b", d.IntN(40)) + d.pick("", "\r\n", "\r", "\n", "\x00", "USIN")
		return fmt.Sprintf("put %s %s 1000 %d\r\n%s\r\n", pri(), delay(), len(body), body), 0
	case 6, 7, 8:
		return "reserve-with-timeout 0\r\n", 0
	case 9:
		return "reserve-job " + id() + "\r\n", 0
	case 10, 11:
		return "delete " + id() + "\r\n", 0
	case 12:
		return "release " + id() + " " + pri() + " " + delay() + "\r\n", 0
	case 13, 14:
		return "bury " + id() + " " + pri() + "\r\n", 0
	case 15:
		return "kick " + d.pick("0", "1", "2", "10", "-1", "4294967297", "+3", "1x") + "\r\n", 0
	case 16:
		return d.pick("kick-job ", "touch ") + id() + "\r\n", 0
	case 17:
		return "use " + tube() + "\r\n", 1
	case 18:
		return d.pick("watch ", "watch ", "ignore ") + tube() + "\r\n", 0
	case 19:
		return d.pick("peek-ready", "peek-delayed", "peek-buried", "peek "+id()) + "\r\n", 0
	case 20:
		return "stats-job " + id() + "\r\n", 0
	case 21:
		return "stats-tube " + tube() + "\r\n", 0
	case 22:
		return "stats\r\n", 0
	case 23:
		return d.pick("list-tubes", "list-tubes-watched") + "\r\n", 0
	default:
		return d.abuse(), 0
	}
}

// abuse makes up a command that is wrong.
func (d *differential) abuse() string {
	word := d.pick("put ", "peek ", "peek-ready", "peek-delayed", "peek-buried", "reserve", "reserve-job ", "delete ", "release ",
		"bury ", "kick ", "kick-job ", "touch ", "stats", "stats-job ", "stats-tube ", "watch ", "ignore ",
		"list-tubes", "list-tube-used", "list-tubes-watched", "pause-tube")
	number := func() string {
		return d.pick("0", "1", " 1", "01", "-1", "+1", "1.0", "1x", "x", "", "4294967295", "4294967296", "9223372036854775808",
			"18446744073709551615", "18446744073709551616", "99999999999999999999999", "0x1", "\t1", "\x00")
	}
	switch d.IntN(9) {
	case 0: // a word cut off
		cut := word[:d.IntN(len(word))]
		if cut == "reserve" || cut == "list-tube-used" {
			cut = "" // these are commands
		}
		return cut + "\r\n"
	case 1: // a word that goes on
		return word + d.pick("x", " ", "  ", "-", "\x00", "\n", "\t") + "\r\n"
	case 2: // numbers of all kinds
		args := make([]string, d.IntN(6))
		for i := range args {
			args[i] = number()
		}
		word = d.pick("peek ", "delete ", "release ", "bury ", "kick ", "kick-job ", "touch ", "stats-job ", "reserve-job ")
		return word + strings.Join(args, d.pick(" ", " ", "  ", ",")) + "\r\n"
	case 3: // a put with numbers that are too great, or none; its body is a command
		return "put " + d.pick("4294967296", "x", "-1", "") + " " + number() + " " + number() + " 4\r\nbody\r\n"
	case 4: // a body of the wrong length
		n := d.IntN(300)
		return fmt.Sprintf("put 0 0 1000 %d\r\n%s", n, strings.Repeat("x", n+2))
	case 5: // a body that is too long
		n := 65536 + d.IntN(1000)
		return fmt.Sprintf("put 0 0 1000 %d%s\r\n%s", n, d.pick("", " junk"), strings.Repeat("x", n+2))
	case 6: // a long line; beanstalkd fails to see a CRLF that two of its reads share
		n := d.IntN(2000)
		if (n+1)%maxLine == 0 {
			n++
		}
		return strings.Repeat("y", n) + "\r\n"
	case 7: // a name
		return d.pick("watch ", "ignore ", "stats-tube ", "pause-tube ") +
			d.pick("-a", "", " a", "a b", "a,b", "ä", "a\x00", strings.Repeat("a", 201)) + "\r\n"
	default: // bytes
		b := make([]byte, d.IntN(20))
		for i := range b {
			b[i] = byte(d.IntN(256))
		}
		return strings.ReplaceAll("~"+string(b), "\r", "") + "\r\n"
	}
}
