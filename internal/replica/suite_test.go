package replica

import (
	"testing"

	"github.com/hashicorp/raft"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/engine/enginetest"
	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/internal/wal"
)

// TestSuite runs a group of one node under the suite of every log.
func TestSuite(t *testing.T) {
	enginetest.TestLog(t, func(t *testing.T) enginetest.Store {
		mem := vfs.NewMem()
		return func() engine.Log {
			_, transport := raft.NewInmemTransport("one")
			transport.Connect("one", transport)
			l, err := Open("/data", Options{
				ID: "one", Transport: transport, Found: []Member{{"one", "one", true}},
				WAL: wal.Options{FS: mem, SegmentSize: 64 << 10},
			})
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
	})
}
