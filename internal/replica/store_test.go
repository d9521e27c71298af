package replica

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/internal/wal"
)

func openTestStore(t *testing.T, mem *vfs.Mem) *store {
	t.Helper()
	s, err := openStore("/data", wal.Options{FS: mem, Replicated: true, SegmentSize: 16 << 10}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestStore does at random what raft does to a log, over restarts and power cuts, and
// compares what can be read with what should be there.
func TestStore(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		mem := vfs.NewMem()
		s := openTestStore(t, mem)
		want := map[uint64]*raft.Log{}
		first, last := uint64(1), uint64(0)
		for range 300 {
			switch rng.IntN(12) {
			default:
				var group []*raft.Log
				for range 1 + rng.IntN(4) {
					last++
					e := &raft.Log{Index: last, Term: rng.Uint64N(9), Type: raft.LogType(rng.IntN(6)), Data: bytes.Repeat([]byte{byte(last)}, rng.IntN(3000))}
					want[last] = e
					group = append(group, e)
				}
				if err := s.StoreLogs(group); err != nil {
					t.Fatal(err)
				}
			case 0: // a conflict
				if last < first {
					continue
				}
				from := first + rng.Uint64N(last-first+1)
				if err := s.DeleteRange(from, last); err != nil {
					t.Fatal(err)
				}
				last = from - 1
			case 1: // a snapshot of another node, beyond the log
				if rng.IntN(10) > 0 {
					continue
				}
				first = last + 5
				last = first
				want[last] = &raft.Log{Index: last, Term: 1, Data: []byte("behind the gap")}
				if err := s.StoreLog(want[last]); err != nil {
					t.Fatal(err)
				}
			case 2:
				crashed := mem
				if rng.IntN(2) == 0 {
					crashed = mem.Crash(rng)
				}
				s.Close()
				mem = crashed
				s = openTestStore(t, mem)
			}
			sameEntries(t, s, first, last, want)
		}
		s.Close()
	}
}

func sameEntries(t *testing.T, s *store, first, last uint64, want map[uint64]*raft.Log) {
	t.Helper()
	gotFirst, _ := s.FirstIndex()
	gotLast, _ := s.LastIndex()
	if last < first {
		first, last = 0, 0
	}
	if gotFirst != first || gotLast != last {
		t.Fatalf("the log is from %d to %d, want %d to %d", gotFirst, gotLast, first, last)
	}
	for i := first; i <= last && i > 0; i++ {
		var e raft.Log
		if err := s.GetLog(i, &e); err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
		if w := want[i]; e.Index != i || e.Term != w.Term || e.Type != w.Type || !bytes.Equal(e.Data, w.Data) {
			t.Fatalf("entry %d is %d of term %d with %d bytes, want term %d with %d", i, e.Index, e.Term, len(e.Data), w.Term, len(w.Data))
		}
	}
	var e raft.Log
	if err := s.GetLog(last+1, &e); !errors.Is(err, raft.ErrLogNotFound) {
		t.Fatalf("behind the log: %v", err)
	}
}

func TestVotes(t *testing.T) {
	mem := vfs.NewMem()
	mem.MkdirAll("/data")
	rng := rand.New(rand.NewPCG(1, 1))
	for term := uint64(1); term < 50; term++ {
		v, err := openVotes(mem, "/data")
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := v.GetUint64([]byte("term")); got != term-1 {
			t.Fatalf("the term is %d, want %d", got, term-1)
		}
		v.SetUint64([]byte("term"), term)
		v.Set([]byte("candidate"), fmt.Append(nil, "node ", term))
		mem = mem.Crash(rng)
		v, err = openVotes(mem, "/data")
		if got, _ := v.Get([]byte("candidate")); err != nil || string(got) != fmt.Sprint("node ", term) {
			t.Fatalf("the candidate is %q, %v", got, err)
		}
	}
	b, _ := mem.ReadFile("/data/votes")
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		mem.WriteFile("/data/votes", bad)
		if _, err := openVotes(mem, "/data"); err == nil || !strings.Contains(err.Error(), "/data/votes is damaged") {
			t.Fatalf("a bit of byte %d is wrong: %v", i, err)
		}
	}
}

func FuzzVotes(f *testing.F) {
	v := &votes{values: map[string][]byte{"term": {1, 2}, "": nil}}
	f.Add(v.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		(&votes{values: map[string][]byte{}}).decode(b)
		eachBatch(b, func([]byte, bool) error { return nil })
	})
}

// fixed is a view of given sections.
type fixed struct {
	content   []string // by key
	unchanged int      // the first so many
}

func (f fixed) Sections(visit func(uint64, bool, func(io.Writer) error) error) error {
	for key, text := range f.content {
		err := visit(uint64(key), key < f.unchanged, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// storeWith has some entries and a snapshot of one of them.
func storeWith(t *testing.T, entries, at uint64, v fixed) *store {
	t.Helper()
	s := openTestStore(t, vfs.NewMem())
	for i := range entries {
		if err := s.StoreLog(&raft.Log{Index: i + 1, Term: 3}); err != nil {
			t.Fatal(err)
		}
	}
	s.noteConfiguration(2, configuration([]Member{{"a", "b", true}}))
	if err := s.Snapshot(at, v); err != nil {
		t.Fatal(err)
	}
	return s
}

func storedSections(t *testing.T, s *store) (got []string) {
	t.Helper()
	stored, err := s.log.Stored()
	if err != nil {
		t.Fatal(err)
	}
	defer stored.Close()
	for in := (sections{stored}); ; {
		_, r, err := in.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(b))
	}
}

// send installs the snapshot of one store in another, and may damage it on the way.
func send(t *testing.T, from, to *store, spoil func([]byte) []byte) error {
	t.Helper()
	meta, r, err := from.Open("")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != meta.Size {
		t.Fatalf("the stream has %d bytes, %v; announced were %d", len(b), err, meta.Size)
	}
	sink, err := to.Create(1, meta.Index, meta.Term, meta.Configuration, meta.ConfigurationIndex, nil)
	if err != nil {
		return err
	}
	sink.Write(spoil(b)) // what is wrong with it, Close says
	return sink.Close()
}

// TestInstalledSnapshot takes another node's snapshot, and then one of its own engine,
// which counts sections as unchanged since its last one.
func TestInstalledSnapshot(t *testing.T) {
	as := func(b []byte) []byte { return b }
	own := storeWith(t, 20, 5, fixed{content: []string{"a", "b", ""}})
	defer own.Close()
	other := storeWith(t, 30, 10, fixed{content: []string{"x", strings.Repeat("y", 200_000), "z"}})
	defer other.Close()
	if err := send(t, other, own, as); err != nil {
		t.Fatal(err)
	}
	if got := storedSections(t, own); len(got) != 3 || got[0] != "x" || len(got[1]) != 200_000 {
		t.Fatalf("%d sections came over, the first %q", len(got), got[0])
	}
	metas, _ := own.List()
	if m := metas[0]; m.Index != 10 || m.Term != 3 || m.ConfigurationIndex != 2 || m.Configuration.Servers[0].ID != "a" {
		t.Errorf("the snapshot is of %+v", m)
	}
	if err := own.Snapshot(15, fixed{[]string{"a", "b2", ""}, 1}); err != nil {
		t.Fatal(err)
	}
	if got := storedSections(t, own); strings.Join(got, ",") != "a,b2," {
		t.Errorf("the engine's snapshot reads %q", got)
	}
	if err := send(t, other, own, as); !errors.Is(err, errSuperseded) {
		t.Errorf("an older snapshot: %v", err)
	}
	if err := own.Snapshot(15, fixed{content: []string{"a"}}); !errors.Is(err, errSuperseded) {
		t.Errorf("the same snapshot again: %v", err)
	}
	sameEntries(t, own, 1, 20, entriesTo(20))
}

func entriesTo(n uint64) map[uint64]*raft.Log {
	all := map[uint64]*raft.Log{}
	for i := range n {
		all[i+1] = &raft.Log{Term: 3}
	}
	return all
}

// TestDamagedStream changes each byte of a snapshot on its way, or breaks it off.
func TestDamagedStream(t *testing.T) {
	other := storeWith(t, 30, 10, fixed{content: []string{"x", "yy", "zzz"}})
	defer other.Close()
	own := storeWith(t, 20, 5, fixed{content: []string{"a", "b", "c"}})
	defer own.Close()
	size := 0
	for at := 0; at == 0 || at < size; at++ {
		for _, spoil := range []func(b []byte) []byte{
			func(b []byte) []byte { size = len(b); b[at] ^= 0x41; return b },
			func(b []byte) []byte { return b[:at] },
		} {
			if err := send(t, other, own, spoil); err == nil {
				t.Fatalf("a stream that is wrong from byte %d on was taken", at)
			}
		}
	}
	if got := storedSections(t, own); strings.Join(got, ",") != "a,b,c" {
		t.Errorf("the snapshot is now %q", got)
	}
}
