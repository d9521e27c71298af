package binlog

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the files of testdata that are made by hand")

// describe is a backlog as text: one line a job, then one a damage.
func describe(t *testing.T, dir string) string {
	t.Helper()
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var text strings.Builder
	for _, j := range b.Jobs() {
		body := make([]byte, j.Size)
		if err := b.Body(j, body, 0); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%d %s %s pri=%d ttr=%s reserves=%d timeouts=%d releases=%d buries=%d kicks=%d",
			j.ID, j.Tube, j.Phase, j.Pri, j.TTR, j.Reserves, j.Timeouts, j.Releases, j.Buries, j.Kicks)
		if j.Phase.String() == "delayed" {
			fmt.Fprintf(&text, " ready=+%s", j.ReadyAt.Sub(j.Created).Round(time.Second))
		}
		if len(body) > 20 {
			body = body[:20]
		}
		fmt.Fprintf(&text, " %q\n", body)
	}
	for _, d := range b.Damage {
		fmt.Fprintf(&text, "%s\n", strings.TrimPrefix(d.String(), dir+"/"))
	}
	return text.String()
}

func compareText(t *testing.T, got, want string) {
	t.Helper()
	if got = strings.TrimSpace(got); got != strings.TrimSpace(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// The files of v7 were written by beanstalkd 1.12.
func TestVersion7(t *testing.T) {
	compareText(t, describe(t, "testdata/v7"), `
1 default ready pri=10 ttr=1m0s reserves=0 timeouts=0 releases=0 buries=0 kicks=0 "hello"
2 default delayed pri=20 ttr=1m1s reserves=0 timeouts=0 releases=0 buries=0 kicks=0 ready=+27h46m40s "delayed"
4 mails ready pri=6 ttr=30s reserves=0 timeouts=0 releases=0 buries=0 kicks=0 "held"
6 mails ready pri=8 ttr=30s reserves=0 timeouts=0 releases=0 buries=0 kicks=0 ""
7 mails ready pri=9 ttr=30s reserves=1 timeouts=0 releases=0 buries=1 kicks=1 "kicked"
8 mails delayed pri=44 ttr=30s reserves=1 timeouts=0 releases=1 buries=0 kicks=0 ready=+27h46m39s "released"
9 mails ready pri=4294967295 ttr=1193046h28m15s reserves=0 timeouts=0 releases=0 buries=0 kicks=0 "\x00\xff\r\nbytes"
3 mails buried pri=77 ttr=30s reserves=1 timeouts=0 releases=0 buries=1 kicks=0 "buried"
10 mails buried pri=1 ttr=30s reserves=1 timeouts=0 releases=0 buries=1 kicks=0 "two"`)
}

// beanstalkd 1.12 moved the oldest job on here, and removed the files before.
func TestMovedJob(t *testing.T) {
	compareText(t, describe(t, "testdata/v7-moved"), `
25 work ready pri=1 ttr=30s reserves=0 timeouts=0 releases=0 buries=0 kicks=0 "02502502502502502502"
1 work buried pri=3 ttr=30s reserves=1 timeouts=0 releases=0 buries=1 kicks=0 "first stays!"`)
}

func TestVersion5(t *testing.T) {
	path := "testdata/v5/binlog.1"
	if *update {
		if err := os.WriteFile(path, append(version5(), make([]byte, 256)...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	compareText(t, describe(t, "testdata/v5"), `
1 default ready pri=10 ttr=1m0s reserves=2 timeouts=1 releases=0 buries=0 kicks=0 "old"
3 mails delayed pri=5 ttr=30s reserves=0 timeouts=0 releases=0 buries=0 kicks=0 ready=+1h0m0s "later"
2 mails buried pri=9 ttr=30s reserves=1 timeouts=0 releases=0 buries=1 kicks=0 "sunk"`)
}

// record is one record of a binlog, for tests to encode.
type record struct {
	tube, body string
	id         uint64
	pri        uint32
	ttr        time.Duration
	ready      time.Duration // after 2010
	counts     [5]uint32
	state      byte
}

func encode(version int32, records ...record) []byte {
	f := formats[version]
	out := binary.LittleEndian.AppendUint32(nil, uint32(version))
	for _, r := range records {
		name := binary.LittleEndian.AppendUint64(nil, uint64(len(r.tube)))
		out = append(append(out, name[:f.lengthSize]...), r.tube...)
		fixed := make([]byte, f.jobSize)
		created := time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC).Sub(time.Unix(0, 0))
		binary.LittleEndian.PutUint64(fixed[0:], r.id)
		binary.LittleEndian.PutUint32(fixed[8:], r.pri)
		binary.LittleEndian.PutUint64(fixed[24:], uint64(r.ttr/f.unit))
		binary.LittleEndian.PutUint32(fixed[32:], uint32(len(r.body)))
		binary.LittleEndian.PutUint64(fixed[40:], uint64(created/f.unit))
		binary.LittleEndian.PutUint64(fixed[48:], uint64((created+r.ready)/f.unit))
		for i, n := range r.counts {
			binary.LittleEndian.PutUint32(fixed[56+4*i:], n)
		}
		fixed[76] = r.state
		out = append(out, fixed...)
		if r.tube != "" {
			out = append(out, r.body...)
		}
	}
	return out
}

func version5() []byte {
	return encode(5,
		record{tube: "default", body: "old\r\n", id: 1, pri: 10, ttr: time.Minute, state: stateReady},
		record{tube: "mails", body: "sunk\r\n", id: 2, ttr: 30 * time.Second, state: stateReady},
		record{tube: "mails", body: "later\r\n", id: 3, pri: 5, ttr: 30 * time.Second, state: stateDelayed, ready: time.Hour},
		record{tube: "mails", body: "done\r\n", id: 4, ttr: 30 * time.Second, state: stateReady},
		record{body: "sunk\r\n", id: 2, pri: 9, ttr: 30 * time.Second, state: stateBuried, counts: [5]uint32{1, 0, 0, 1, 0}},
		record{body: "old\r\n", id: 1, pri: 10, ttr: time.Minute, state: stateReserved, counts: [5]uint32{2, 1, 0, 0, 0}},
		record{body: "done\r\n", id: 4, state: stateInvalid},
		record{body: "gone before\r\n", id: 77, state: stateReady},
	)
}

// Whatever byte a file ends at, every job whose record is whole comes over.
func TestTruncation(t *testing.T) {
	records := []record{
		{tube: "a", body: "one\r\n", id: 1, state: stateReady},
		{tube: "b", body: "two\r\n", id: 2, state: stateReady},
	}
	for _, version := range []int32{5, 7} {
		whole := encode(version, records...)
		first := len(encode(version, records[0]))
		for n := range whole {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "binlog.1"), whole[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			b, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			jobs := len(b.Jobs())
			b.Close()
			if want := map[bool]int{true: 1, false: 0}[n >= first]; jobs != want {
				t.Errorf("version %d cut at %d: %d jobs, want %d", version, n, jobs, want)
			}
			clean := n == 0 || n == 4 || n == first
			if clean != (len(b.Damage) == 0) {
				t.Errorf("version %d cut at %d: damage %v", version, n, b.Damage)
			}
		}
	}
}

func TestDamage(t *testing.T) {
	good := record{tube: "a", body: "one\r\n", id: 1, state: stateReady}
	tests := []struct {
		name string
		bad  []byte
		want string
	}{
		{"version", []byte{9, 0, 0, 0, 1}, "binlog.1: damaged at byte 0, 5 bytes skipped: binlog version 9 is unknown (5 and 7 are known)"},
		{"state", encode(7, good, record{tube: "a", body: "x\r\n", id: 2, state: 9}), "binlog.1: damaged at byte 94, 88 bytes skipped: job state 9 is unknown"},
		{"end of body", encode(7, good, record{tube: "a", body: "xyz", id: 2, state: stateReady}), "binlog.1: damaged at byte 94, 88 bytes skipped: a body does not end in CRLF"},
		{"short body", encode(7, good, record{tube: "a", body: "x", id: 2, state: stateReady}), "binlog.1: damaged at byte 94, 86 bytes skipped: a body of 1 bytes is too short to end in CRLF"},
		{"name", encode(7, good, record{tube: "a b", body: "x\r\n", id: 2, state: stateReady}), `binlog.1: damaged at byte 94, 90 bytes skipped: "a b" is not the name of a tube`},
		{"long name", encode(7, good, record{tube: strings.Repeat("a", 201), body: "x\r\n", id: 2, state: stateReady}), "binlog.1: damaged at byte 94, 288 bytes skipped: a tube's name of 201 bytes is longer than 200"},
		{"id", encode(7, good, record{tube: "a", body: "x\r\n", id: 1 << 40, state: stateReady}), "binlog.1: damaged at byte 94, 88 bytes skipped: job id 1099511627776 is beyond what a server counts to"},
		{"size", encode(7, good, good, record{body: "longer\r\n", id: 1, state: stateReady}), "binlog.1: damaged at byte 184, 84 bytes skipped: job 1: its size changes from 3 to 6"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			next := encode(7, record{tube: "a", body: "two\r\n", id: 50, state: stateReady})
			for name, data := range map[string][]byte{"binlog.1": test.bad, "binlog.2": next} {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			text := describe(t, dir)
			if !strings.HasSuffix(text, "\n"+test.want+"\n") {
				t.Errorf("got:\n%s\nwant at the end:\n%s", text, test.want)
			}
			if !strings.Contains(text, "50 a ready") {
				t.Errorf("the file after the damage was not read:\n%s", text)
			}
		})
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"binlog.10", "binlog.9", "binlog.x", "binlog.", "binlog.007", "lock", "xbinlog.1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := list(dir)
	if got := fmt.Sprint(paths); err != nil || got != fmt.Sprintf("[%s/binlog.9 %s/binlog.10]", dir, dir) {
		t.Errorf("list: %s, %v", got, err)
	}
	if _, err := Open(filepath.Join(dir, "missing")); err == nil {
		t.Error("a directory that is missing was opened")
	}
}
