package gearman

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve/nettest"
)

var (
	seed    = flag.Uint64("seed", 0, "of the differential test; 0: a new one each time")
	verbose = flag.Bool("talk", false, "show the steps of the differential test")
	steps   = flag.Int("steps", 3000, "of the differential test")
)

// TestDifferential sends the same random packets and lines, right ones and wrong
// ones, over several connections to gearmand and to the door, and compares all that
// comes back to each. What docs/gearman.md says is different is left out.
func TestDifferential(t *testing.T) {
	if !*oracle {
		t.Skip("asks the installed gearmand, with -oracle")
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
		t:      t,
		theirs: startGearmand(t),
		ours:   nettest.New(t, e, New(Options{})),
		names:  [2]map[string]string{{}, {}},
		places: map[string][2]string{},
	}
	for range 5 {
		d.connect()
	}
	for range *steps {
		d.next()
	}
}

// differential is a run under way. A job is known by a name of its own, which stands
// for its handle at either server.
type differential struct {
	*rand.Rand
	t      *testing.T
	theirs *gearmand
	ours   *nettest.Server
	pairs  []*pair
	names  [2]map[string]string // of handles
	places map[string][2]string // handles of names
}

// pair is a client that is connected to both servers.
type pair struct {
	talkers   [2]talker
	functions []string // it has registered
	held      []string // names of jobs that it works on
	asleep    bool
}

type talker struct {
	connection
	r *bufio.Reader
}

func (d *differential) connect() {
	p := &pair{}
	for i, c := range []connection{d.theirs.dial(), d.ours.Dial()} {
		p.talkers[i] = talker{c, bufio.NewReader(c)}
	}
	d.pairs = append(d.pairs, p)
}

// say has p send something, with {name} for the handle of a job, and compares what
// all clients then get; it returns what p got.
func (d *differential) say(p *pair, text string) (got []string) {
	if *verbose {
		d.t.Logf("%d: %q", slices.Index(d.pairs, p), text)
	}
	first := d.exchange(p, text)
	for _, q := range d.pairs {
		if q != p {
			d.exchange(q, "")
		}
	}
	return first
}

var named = regexp.MustCompile(`\{j\d+\}`)

// exchange sends text and a mark behind it, and compares what comes before the mark.
func (d *differential) exchange(p *pair, text string) []string {
	var got [2][]string
	for i := range p.talkers {
		out := named.ReplaceAllStringFunc(text, func(n string) string { return d.places[n][i] })
		if packet, ok := packetOf(magicRequest, out); ok {
			out = packet
		}
		mark, _ := packetOf(magicRequest, "ECHO_REQ mark")
		if _, err := p.talkers[i].Write([]byte(out + mark)); err != nil {
			d.t.Fatal(err)
		}
	}
	for i := range p.talkers {
		got[i] = d.read(p, i, text)
	}
	for n := range max(len(got[0]), len(got[1])) {
		if n >= len(got[0]) || n >= len(got[1]) || got[0][n] != got[1][n] {
			d.t.Fatalf("-seed %d: after %.200q\ngearmand says %.500q\nwe say         %.500q", *seed, text, got[0], got[1])
		}
	}
	return got[0]
}

var handle = regexp.MustCompile(`H:[^:\x00\s]+:\d+`)

var listed = regexp.MustCompile(`^[^\t]+(\t\d+\t\d+)?`)

// read reads up to the mark, with handles replaced by the names of their jobs.
func (d *differential) read(p *pair, i int, text string) (got []string) {
	for {
		p.talkers[i].SetReadDeadline(time.Now().Add(patience))
		item, err := readItem(p.talkers[i].r)
		if err != nil {
			d.t.Fatalf("-seed %d: after %.200q: server %d: %v after %q", *seed, text, i, err, got)
		}
		if item == "ECHO_RES mark" {
			break
		}
		if h, ok := strings.CutPrefix(item, "JOB_CREATED "); ok && d.names[i][h] == "" {
			name := fmt.Sprintf("{j%d}", len(d.names[i]))
			d.names[i][h] = name
			place := d.places[name]
			place[i] = h
			d.places[name] = place
		}
		item = handle.ReplaceAllStringFunc(item, func(h string) string {
			if n := d.names[i][h]; n != "" {
				return n
			}
			return h
		})
		if strings.HasPrefix(strings.ToLower(text), "show jobs") {
			item = listed.FindString(item) // a durable job is durable at once here
		}
		if strings.HasPrefix(item, "WORK_FAIL ") {
			item = strings.TrimSuffix(item, "\x00")
		}
		got = append(got, item)
	}
	if strings.HasSuffix(text, "\n") { // lists have no order
		slices.Sort(got)
	}
	return got
}

func (d *differential) pick(of ...string) string { return of[d.IntN(len(of))] }

// next takes a step.
func (d *differential) next() {
	p := d.pairs[d.IntN(len(d.pairs))]
	function := d.pick("f1", "f2", "f3", "some function", "\xff\x01")
	unique := d.pick("", "", "", "u1", "u2", "-", strings.Repeat("u", 63))
	data := strings.Repeat("d", 1+d.IntN(30)) + d.pick("", "\x00", "\n", "\x00x")
	known := fmt.Sprintf("{j%d}", len(d.places)-1-d.IntN(20))
	if _, ok := d.places[known]; !ok {
		known = "H:none:1"
	}
	kind := d.IntN(20)
	if p.asleep && kind < 5 {
		kind = 7 // who sleeps and submits is woken before the answer there, after it here
	}
	switch kind {
	case 0, 1, 2, 3:
		packet := d.pick("SUBMIT_JOB", "SUBMIT_JOB_HIGH", "SUBMIT_JOB_LOW", "SUBMIT_JOB_BG", "SUBMIT_JOB_HIGH_BG", "SUBMIT_JOB_LOW_BG")
		d.say(p, packet+" "+function+"\x00"+unique+"\x00"+data)
	case 4:
		d.say(p, d.pick("SUBMIT_REDUCE_JOB ", "SUBMIT_REDUCE_JOB_BACKGROUND ")+function+"\x00"+unique+"\x00"+d.pick("", "red")+"\x00\x00"+data)
	case 5:
		if !slices.Contains(p.functions, function) && !p.asleep {
			d.say(p, d.pick("CAN_DO "+function, "CAN_DO_TIMEOUT "+function+"\x00100000"))
			p.functions = append(p.functions, function)
		}
	case 6:
		if len(p.held) == 0 && d.IntN(4) == 0 {
			if d.IntN(2) == 0 {
				d.say(p, "RESET_ABILITIES")
				p.functions = nil
				return
			}
			d.say(p, "CANT_DO "+function)
			p.functions = slices.DeleteFunc(p.functions, func(f string) bool { return f == function })
		}
	case 7, 8, 9, 10:
		p.asleep = false
		for _, item := range d.say(p, d.pick("GRAB_JOB", "GRAB_JOB_UNIQ", "GRAB_JOB_ALL")) {
			if n := named.FindString(item); n != "" && strings.HasPrefix(item, "JOB_ASSIGN") {
				p.held = append(p.held, n)
			}
		}
	case 11, 12, 13:
		d.work(p, data)
	case 14:
		d.say(p, "GET_STATUS "+known)
	case 15:
		d.say(p, "GET_STATUS_UNIQUE "+d.pick("nobody", strings.Repeat("u", 63)))
	case 16:
		d.say(p, d.pick("status\n", "show jobs\r\n", "SHOW unique jobs\n", "show\n", "sstatus\n", "status x\r\n", "show x\n"))
	case 17:
		// gearmand wakes all that sleep, so only one does; and it does not wake one that
		// says so again.
		if p == d.pairs[0] && !p.asleep {
			d.say(p, "PRE_SLEEP")
			p.asleep = true
		}
	default:
		d.abuse(p, known)
	}
}

// work has p say something of a job it works on.
func (d *differential) work(p *pair, data string) {
	if len(p.held) == 0 {
		return
	}
	i := d.IntN(len(p.held))
	n := p.held[i]
	switch d.IntN(7) {
	case 0:
		d.say(p, "WORK_DATA "+n+"\x00"+data)
	case 1:
		d.say(p, "WORK_WARNING "+n+"\x00"+data)
	case 2:
		d.say(p, "WORK_STATUS "+n+"\x00"+d.pick("1", "-1", "x", " 7", "+8 ", "4294967295")+"\x00"+d.pick("2", "", "10"))
	default:
		d.say(p, d.pick("WORK_COMPLETE "+n+"\x00"+data, "WORK_COMPLETE "+n+"\x00", "WORK_FAIL "+n, "WORK_EXCEPTION "+n+"\x00"+data))
		p.held = slices.Delete(p.held, i, i+1)
	}
}

// abuse has p say something that is wrong, or about a job that is not its own.
func (d *differential) abuse(p *pair, known string) {
	if slices.Contains(p.held, known) || slices.Contains(d.pairs[0].held, known) {
		known = "H:none:7"
	}
	d.say(p, d.pick(
		"NOOP", "ECHO_RES x", "JOB_CREATED x", "ALL_YOURS", "OPTION_RES x", "OPTION_REQ "+d.pick("exceptions", "Exceptions", "x", ""),
		"ECHO_REQ "+d.pick("", "\x00", "x\x00y"), "WORK_COMPLETE "+known+"\x00x", "WORK_DATA "+known+"\x00x", "WORK_STATUS "+known+"\x001\x002",
		"GET_STATUS x", "GET_STATUS ", "SUBMIT_JOB f\x00"+strings.Repeat("u", 65)+"\x00x", "SET_CLIENT_ID me",
		"foo bar\n", "\r\n", "cancel job x\n", "cancel x y\n", "maxqueue\n", "create x\n", "drop function nope\n", "verbose\n",
	))
}
