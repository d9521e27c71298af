package beanstalk

import (
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
				if err := s.run(startMillrace(t, s.args...)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// millrace is a door over an engine without a log, in a bubble.
type millrace struct {
	door   *Door
	server *nettest.Server
}

// startMillrace starts a server with the arguments that beanstalkd would get.
func startMillrace(t *testing.T, args ...string) *millrace {
	t.Helper()
	o := Options{Version: "test"}
	if len(args) == 2 && args[0] == "-z" {
		z, err := strconv.ParseUint(args[1], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		o.MaxJobSize = uint32(z)
	} else if len(args) > 0 {
		t.Fatalf("the tests know no arguments %q", args)
	}
	return startServer(t, o)
}

func startServer(t *testing.T, o Options) *millrace {
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

func (m *millrace) drain() { m.door.Drain() }
