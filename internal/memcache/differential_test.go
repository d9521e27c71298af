package memcache

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve/nettest"
)

var (
	seed  = flag.Uint64("seed", 0, "of the differential test; 0: a new one each time")
	steps = flag.Int("steps", 20000, "of the differential test")
)

// TestDifferential sends the same random commands about the key-value area, right ones
// and wrong ones, in all three protocols, to memcached and to the door, and compares
// every answer. Nothing in them depends on time.
func TestDifferential(t *testing.T) {
	if !*oracle {
		t.Skip("asks the installed memcached, with -oracle")
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
	d := &differential{Rand: rand.New(rand.NewPCG(*seed, 0))}
	theirs, ours := startMemcached(t), nettest.New(t, e, New(Options{Prefix: "q/", Version: "1"}))
	lines, packets := dialBoth(theirs, ours), dialBoth(theirs, ours)
	for range *steps {
		if d.IntN(3) == 0 {
			p := d.packet()
			packets.ask(t, string(p), append(p, noop...), readPackets)
		} else {
			c := d.command()
			lines.ask(t, c, []byte(c+"mn\r\n"), readLines)
		}
	}
}

// noop is a packet whose answer ends the answers before it.
var noop = packet("0a opaque=0xffffffff").request()

type differential struct{ *rand.Rand }

// both is a connection to each server.
type both struct {
	conns   [2]connection
	readers [2]*bufio.Reader
}

func dialBoth(theirs *memcached, ours *nettest.Server) *both {
	b := &both{conns: [2]connection{theirs.dial(), ours.Dial()}}
	for i, c := range b.conns {
		b.readers[i] = bufio.NewReader(c)
	}
	return b
}

func (b *both) ask(t *testing.T, shown string, in []byte, read func(*bufio.Reader) (string, error)) {
	t.Helper()
	var answers [2]string
	for i, c := range b.conns {
		if _, err := c.Write(in); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(patience))
		var err error
		if answers[i], err = read(b.readers[i]); err != nil {
			t.Fatalf("-seed %d: to %.300q: %.300q: %v", *seed, shown, answers[i], err)
		}
	}
	if answers[0] != answers[1] {
		t.Fatalf("-seed %d: to %.300q\nmemcached says %.300q\nwe say         %.300q", *seed, shown, answers[0], answers[1])
	}
}

func readLines(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "MN\r\n" {
			return b.String(), err
		}
	}
}

func readPackets(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		head := make([]byte, binaryHeader)
		if _, err := io.ReadFull(r, head); err != nil {
			return b.String(), err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[8:]))
		if _, err := io.ReadFull(r, body); err != nil {
			return b.String(), err
		}
		b.Write(head)
		b.Write(body)
		if binary.BigEndian.Uint32(head[12:]) == 0xffffffff {
			return b.String(), nil
		}
	}
}

func (d *differential) pick(of ...string) string { return of[d.IntN(len(of))] }

func (d *differential) key() string { return d.pick("a", "b", "n", "m") }

func (d *differential) value() string {
	return d.pick("", "1", "17", "99 ", "18446744073709551615", "x", "a\r\nb", strings.Repeat("y", d.IntN(30000)))
}

func (d *differential) number() string {
	return d.pick("0", "1", "2", "99", "4294967295", "18446744073709551615", "18446744073709551616", "-1", "x", "")
}

// command makes up a command of the text protocol.
func (d *differential) command() string {
	value := d.value()
	noreply := d.pick("", "", "", "", " noreply")
	switch d.IntN(14) {
	case 0, 1, 2:
		verb := d.pick("set", "set", "add", "replace", "append", "prepend")
		return fmt.Sprintf("%s %s %d 0 %d%s\r\n%s\r\n", verb, d.key(), d.IntN(1000), len(value), noreply, value)
	case 3:
		return fmt.Sprintf("cas %s %d 0 %d %d%s\r\n%s\r\n", d.key(), d.IntN(1000), len(value), d.IntN(30), noreply, value)
	case 4:
		return d.pick("get ", "gets ", "gat 0 ", "gats 1000 ") + d.key() + " " + d.key() + d.pick("", " ", " c") + "\r\n"
	case 5:
		return d.pick("incr ", "decr ") + d.key() + " " + d.number() + noreply + "\r\n"
	case 6:
		return "touch " + d.key() + d.pick(" 0", " 1000", " x", "") + noreply + "\r\n"
	case 7:
		return "delete " + d.key() + d.pick("", "", " 0", " 1", " x") + noreply + "\r\n"
	case 8:
		return "mg " + d.key() + d.flags("v", "k", "s", "f", "t", "c", "h", "Oab", "q", "u", d.pick("N0", "T0", "T100000"), "R30", "b", "z", "v") + "\r\n"
	case 9:
		return fmt.Sprintf("ms %s %d%s\r\n%s\r\n", d.key(), len(value), d.flags("k", "c", "F7", "Oab", "q", "T0", "I", "ME", "MA", "MP", "MR", "MS", "MX",
			fmt.Sprintf("C%d", d.IntN(30)), "Fx"), value)
	case 10:
		return "md " + d.key() + d.flags("k", "Oab", "q", "I", "T100000", fmt.Sprintf("C%d", d.IntN(30)), "z") + "\r\n"
	case 11:
		return "ma " + d.key() + d.flags("k", "Oab", "q", d.pick("N0", "T0"), "J13", "D5", "MI", "MD", "M-", "M+", "t", "c", "v", fmt.Sprintf("C%d", d.IntN(30)), "Dx") + "\r\n"
	case 12:
		return d.pick("flush_all"+noreply, "verbosity 1"+noreply, "stats x", "nonsense", "", " ", "get", "set a", "incr a", "mg", "ms a") + "\r\n"
	default:
		return "set " + d.key() + " " + d.number() + d.pick(" 0 ", " x ") + d.pick("-1", "x", "") + "\r\n"
	}
}

// flags picks some of these.
func (d *differential) flags(of ...string) (s string) {
	for range d.IntN(5) {
		s += " " + d.pick(of...)
	}
	return s
}

// packet makes up a packet of the binary protocol.
func (d *differential) packet() []byte {
	cas := ""
	if d.IntN(4) == 0 {
		cas = fmt.Sprintf(" cas=%d", d.IntN(30))
	}
	key := " key=" + d.key()
	value := " value=" + d.pick("", "1", "17", "x", strings.Repeat("y", d.IntN(3000)))
	var p string
	switch d.IntN(6) {
	case 0:
		p = d.pick("00", "09", "0c", "0d") + key
	case 1, 2:
		p = d.pick("01", "02", "03", "11", "12", "13") + key + fmt.Sprintf(" flags=%d expiry=0", d.IntN(1000)) + value + cas
	case 3:
		p = d.pick("0e", "0f", "19", "1a") + key + value + cas
	case 4:
		p = d.pick("05", "06", "15", "16") + key + fmt.Sprintf(" extras=%016x%016x%s", d.IntN(30), d.IntN(30), d.pick("00000000", "ffffffff")) + cas
	default:
		p = d.pick("04"+key+cas, "14"+key+cas, "1c"+key+" expiry=0", "1d"+key+" expiry=100000", "1e"+key+" expiry=0", "08", "18 expiry=0", "0a", "44 value=xyz", "1b")
	}
	return packet(p + fmt.Sprintf(" opaque=%d", d.IntN(1000))).request()
}
