package binlog

import (
	"bytes"
	"os"
	"testing"
)

// Whatever a file holds, reading it ends, stays inside the file, and leaves jobs
// that can be read back.
func FuzzScan(f *testing.F) {
	for _, path := range []string{"testdata/v7/binlog.1", "testdata/v5/binlog.1"} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte{7, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		b := &Backlog{jobs: map[uint64]*Job{}}
		offset, err := b.scan(0, bytes.NewReader(data))
		if offset < 0 || offset > int64(len(data)) {
			t.Fatalf("offset %d of %d bytes (%v)", offset, len(data), err)
		}
		for _, j := range b.Jobs() {
			if j.ID == 0 || j.Tube == "" || j.Size < 0 || j.offset+j.Size > int64(len(data)) || j.TTR < 0 {
				t.Fatalf("job %+v of %d bytes", j, len(data))
			}
		}
	})
}
