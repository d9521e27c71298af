package gearman

import (
	"flag"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve/nettest"
)

// TestScripts has the conversations of testdata with the door.
func TestScripts(t *testing.T) {
	for _, path := range scripts(t) {
		s := readScript(t, path, true)
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := s.run(startMillrace(t, options(t, s.args))); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// options reads the arguments of gearmand that scripts use.
func options(t *testing.T, args []string) Options {
	t.Helper()
	o := Options{Version: "1.1.20"}
	f := flag.NewFlagSet("args", flag.ContinueOnError)
	retries := f.Uint("j", 0, "")
	f.BoolVar(&o.RoundRobin, "R", false, "")
	f.BoolVar(&o.Exceptions, "exceptions", false, "")
	compat := f.String("compat", "1.1", "") // not gearmand's
	packet := f.String("packet", "", "")    // not gearmand's
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	o.Attempts = uint32(*retries)
	if *compat == "2.0" {
		o.Compat = Compat20
	}
	if n, err := strconv.ParseUint(*packet, 10, 32); err == nil {
		o.MaxPacket = uint32(n)
	}
	return o
}

// millrace is a door over an engine without a log, in a bubble.
type millrace struct {
	door   *Door
	server *nettest.Server
}

func startMillrace(t *testing.T, o Options) *millrace {
	t.Helper()
	e := engine.New(engine.Options{})
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	m := &millrace{door: New(o)}
	m.server = nettest.New(t, e, m.door)
	return m
}

func (m *millrace) dial() connection { return m.server.Dial() }

func (m *millrace) settle() { synctest.Wait() }

func (m *millrace) pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func (m *millrace) now() time.Time { return time.Now() }
