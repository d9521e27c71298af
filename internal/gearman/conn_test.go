package gearman

import (
	"bufio"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/millrace/millrace/internal/engine"
)

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

// FuzzConn feeds a connection the same bytes at once and in pieces. The answers have
// to be the same. Among the seeds is what ends gearmand, or makes it wait for ever.
func FuzzConn(f *testing.F) {
	f.Add(packets("CAN_DO f", "SUBMIT_JOB_BG f\x00\x00x", "GRAB_JOB_UNIQ", "WORK_COMPLETE H:t:1\x00r", "PRE_SLEEP"), []byte{1, 3, 5, 12})
	f.Add(packets("SUBMIT_JOB f\x00k\x00x", "SUBMIT_JOB f\x00k\x00x", "CAN_DO f", "GRAB_JOB_ALL", "WORK_EXCEPTION H:t:4503599627370497\x00x"), []byte{20, 1, 1})
	f.Add([]byte("status\nshow jobs\r\ncreate function x\nmaxqueue x 1\ndrop function x\nworkers\n"), []byte{3, 9})
	f.Add([]byte("maxqueue x 1 2 3 4\nstatus\n"), []byte{2})
	f.Add([]byte("GET / HTTP/1.1\r\nshutdown\r\n"), []byte{4})
	f.Add([]byte("\x00REQ\xff\x00\x00\x10\x00\x00\x00\x00"), []byte{5})
	f.Add([]byte("\x00REQ\x00\x00\x00\x12\x00\x00\x00\x03abc\x00REQ\x00\x00\x00\x10\x00\x00\x00\x03abc"), []byte{12, 3})
	f.Add([]byte("\x00REQ\x00\x00\x00\x07\xff\xff\xff\xfff\x00u\x00x"), []byte{12, 3})
	f.Add(packets("SUBMIT_JOB_BG f\x00"+strings.Repeat("u", 64)+"\x00x", "SUBMIT_REDUCE_JOB f\x00"+strings.Repeat("u", 64)+"\x00"+strings.Repeat("r", 600)+"\x00\x00x"), []byte{1, 1, 1})
	f.Add(packets("SUBMIT_JOB_SCHED f\x00\x00\x00\x00\x00\x00\x00x", "SUBMIT_JOB_EPOCH f\x00\x0099999999999999999999\x00x", "CAN_DO_TIMEOUT f\x00-1"), []byte{7})
	f.Fuzz(func(t *testing.T, in, cuts []byte) {
		if len(in) > 4096 || len(cuts) > 64 {
			t.Skip("too long to be of use")
		}
		synctest.Test(t, func(t *testing.T) {
			whole, pieces := converse(t, in, nil), converse(t, in, cuts)
			if whole != pieces {
				t.Errorf("at once: %q\nin pieces: %q", whole, pieces)
			}
		})
	})
}

// converse sends in, cut into pieces of the lengths in cuts and a rest, and returns
// all that comes back.
func converse(t *testing.T, in, cuts []byte) string {
	c := startMillrace(t, Options{HandlePrefix: "H:t", MaxPacket: 2000}).server.Dial()
	for _, n := range cuts {
		n := min(int(n), len(in))
		c.Write(in[:n]) // or it was hung up on
		synctest.Wait()
		in = in[n:]
	}
	c.Write(in)
	synctest.Wait()
	c.CloseWrite()
	out, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	// Who sleeps may be woken before or behind an answer.
	noop, _ := packetOf(magicResponse, "NOOP")
	return strings.ReplaceAll(string(out), noop, "")
}

// TestNoAllocations holds submitting and taking to allocating nothing but the buffer
// that the test itself drops.
func TestNoAllocations(t *testing.T) {
	e := engine.New(engine.Options{})
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	h := newHand(t, e, New(Options{}))
	h.turn(packets("CAN_DO f"))
	const jobs = 100
	batch := packets(slices.Repeat([]string{"SUBMIT_JOB_BG f\x00\x00hello", "GRAB_JOB_UNIQ"}, jobs)...)
	h.turn(batch)
	if n := testing.AllocsPerRun(20, func() { h.turn(batch) }); n >= jobs/4 {
		t.Errorf("%.1f allocations for %d jobs", n, jobs)
	}
}
