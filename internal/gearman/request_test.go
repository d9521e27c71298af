package gearman

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		cmd        command
		body       string
		args, data string // args joined by |
		ok         bool
	}{
		{cmdSubmitJob, "f\x00u\x00data\x00more", "f|u", "data\x00more", true},
		{cmdSubmitJob, "\x00\x00", "|", "", true},
		{cmdSubmitJob, "f\x00u", "f|", "", false},
		{cmdSubmitJobSched, "f\x00u\x001\x002\x003\x004\x005\x00x", "f|u|1|2|3|4|5", "x", true},
		{cmdCanDo, "f", "f", "f", true},
		{cmdCanDo, "f\x00g", "f", "f\x00g", true},
		{cmdCanDo, "", "", "", true},
		{cmdCanDoTimeout, "f\x005", "f|5", "5", true},
		{cmdCanDoTimeout, "f", "", "", false},
		{cmdWorkStatus, "h\x001\x002\x00", "h|1|2", "2\x00", true},
		{cmdGrabJob, "whatever", "", "", true},
		{cmdEchoReq, "a\x00b", "", "a\x00b", true},
	} {
		var r request
		_, ok := r.parse(test.cmd, []byte(test.body))
		if ok != test.ok {
			t.Errorf("%d %q: ok is %v", test.cmd, test.body, ok)
		}
		if !ok {
			continue
		}
		n := commands[test.cmd].args
		if got := string(bytes.Join(r.arg[:n], []byte("|"))); got != test.args || string(r.data) != test.data {
			t.Errorf("%d %q: arguments %q, data %q", test.cmd, test.body, got, r.data)
		}
	}
}

// FuzzParse holds the parser to what the rest of the door relies on.
func FuzzParse(f *testing.F) {
	for cmd := range commandCount {
		f.Add(uint32(cmd), []byte("a\x00b\x00c\x00d\x00e\x00f\x00g\x00h"))
		f.Add(uint32(cmd), []byte{})
	}
	f.Fuzz(func(t *testing.T, n uint32, body []byte) {
		cmd := command(n % uint32(commandCount))
		var r request
		used, ok := r.parse(cmd, body)
		s := &commands[cmd]
		switch {
		case used > len(body):
			t.Errorf("%d of %d bytes used", used, len(body))
		case ok && s.data && used+len(r.data) != len(body):
			t.Errorf("%d bytes of arguments and %d of data in %d", used, len(r.data), len(body))
		}
		for _, a := range r.arg {
			if bytes.IndexByte(a, 0) >= 0 {
				t.Errorf("argument %q", a)
			}
		}
	})
}

func TestLeadingInt(t *testing.T) {
	for text, want := range map[string]int64{
		"": 0, "7": 7, " \t-7x": -7, "+8 ": 8, "x": 0, "-": 0, "007": 7,
		"9223372036854775807": math.MaxInt64, "9223372036854775808": math.MaxInt64, "-99999999999999999999": -math.MaxInt64,
	} {
		if got := leadingInt([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestHandles(t *testing.T) {
	for _, prefix := range []string{"H:host", "x", strings.Repeat("long", 30)} {
		d := New(Options{HandlePrefix: prefix})
		for _, id := range []queue.JobID{1, 42, 1<<40 + 1, 1<<52 + 7, queue.MaxJobID - 1} {
			h := d.appendHandle(nil, id)
			if got := d.jobID(h); got != id || len(h) > maxHandle {
				t.Errorf("%q, of %d bytes, is job %d, want %d", h, len(h), got, id)
			}
		}
	}
	d := New(Options{HandlePrefix: "H:host"})
	for _, h := range []string{"", "H:host", "H:host:", "H:host:0", "H:host:01", "H:host:1x", "H:other:1", "H:host:-1", "H:host:9007199254740992", "H:host:99999999999999999999999"} {
		if id := d.jobID([]byte(h)); id != 0 {
			t.Errorf("%q is job %d", h, id)
		}
	}
}

func TestSchedule(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones are installed")
	}
	for _, test := range []struct {
		parts, now, want string // parts joined by spaces, - for an empty one
	}{
		{"* * * * *", "2026-11-20 12:00:00", "2026-11-20 12:01:00"},
		{"- - - - -", "2026-11-20 12:00:59", "2026-11-20 12:01:00"},
		{"30 * * * *", "2026-11-20 12:30:00", "2026-11-20 13:30:00"},
		{"0 9 * * *", "2026-11-20 09:00:00", "2026-11-21 09:00:00"},
		{"59 23 31 12 *", "2026-11-20 12:00:00", "2026-12-31 23:59:00"},
		{"0 0 29 2 *", "2026-11-20 12:00:00", "2028-02-29 00:00:00"},
		{"0 0 29 2 0", "2026-11-20 12:00:00", "2044-02-29 00:00:00"},
		{"0 0 * * 0", "2026-11-20 12:00:00", "2026-11-23 00:00:00"},   // Monday
		{"0 0 * * 6", "2026-11-20 12:00:00", "2026-11-22 00:00:00"},   // Sunday
		{"30 2 29 3 *", "2026-03-28 12:00:00", "2026-03-29 03:30:00"}, // skipped by summer time
		{"60 * * * *", "2026-11-20 12:00:00", errSchedule.Error()},
		{"* 24 * * *", "2026-11-20 12:00:00", errSchedule.Error()},
		{"* * 0 * *", "2026-11-20 12:00:00", errSchedule.Error()},
		{"* * * 13 *", "2026-11-20 12:00:00", errSchedule.Error()},
		{"* * * * 7", "2026-11-20 12:00:00", errSchedule.Error()},
		{"1,2 * * * *", "2026-11-20 12:00:00", errSchedule.Error()},
		{"* * 30 2 *", "2026-11-20 12:00:00", errNever.Error()},
	} {
		now, err := time.ParseInLocation(time.DateTime, test.now, berlin)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseSchedule(bytes.Split([]byte(strings.ReplaceAll(test.parts, "-", "")), []byte(" ")))
		var at time.Time
		if err == nil {
			at, err = s.next(now)
		}
		got := at.Format(time.DateTime)
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s after %s: %s, want %s", test.parts, test.now, got, test.want)
		}
	}
}
