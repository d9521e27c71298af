package bench

import (
	"strings"
	"testing"
)

// readers read each kind of reply; id and body are what reserved found.
var readers = map[string]func(in []byte) (id uint64, body string, used int, err error){
	"INSERTED": func(in []byte) (uint64, string, int, error) { n, err := inserted(in); return 0, "", n, err },
	"DELETED":  func(in []byte) (uint64, string, int, error) { n, err := word(in, "DELETED\r\n"); return 0, "", n, err },
	"WATCHING": func(in []byte) (uint64, string, int, error) {
		n, err := prefixed(in, "WATCHING ")
		return 0, "", n, err
	},
	"RESERVED": func(in []byte) (uint64, string, int, error) {
		id, body, n, err := reserved(in, 5)
		return id, string(body), n, err
	},
}

// Whatever follows, a whole reply is taken as a whole; any part of it is incomplete.
func TestReplies(t *testing.T) {
	for kind, reply := range map[string]string{
		"INSERTED": "INSERTED 4503599627370496\r\n",
		"DELETED":  "DELETED\r\n",
		"WATCHING": "WATCHING 2\r\n",
		"RESERVED": "RESERVED 77 5\r\na\r\nbc\r\n",
	} {
		read := readers[kind]
		for _, more := range []string{"", "\r\n", "DELETED\r\n"} {
			if _, _, used, err := read([]byte(reply + more)); used != len(reply) || err != nil {
				t.Errorf("%q: used %d, error %v", reply+more, used, err)
			}
		}
		for i := range reply {
			if _, _, used, err := read([]byte(reply[:i])); used != 0 || err != nil {
				t.Errorf("%q: used %d, error %v", reply[:i], used, err)
			}
		}
	}
	if id, body, _, _ := readers["RESERVED"]([]byte("RESERVED 77 5\r\na\r\nbc\r\n")); id != 77 || body != "a\r\nbc" {
		t.Errorf("job %d %q", id, body)
	}
}

func TestUnexpectedReplies(t *testing.T) {
	for _, c := range []struct{ kind, reply string }{
		{"INSERTED", "OUT_OF_MEMORY\r\n"},
		{"INSERTED", "INSERTED x\r\n"},
		{"INSERTED", "INSERTED \r\n"},
		{"INSERTED", "INSERTED -1\r\n"},
		{"INSERTED", "INSERTED 1 \r\n"},
		{"INSERTED", "INSERTED 1\rX"},
		{"INSERTED", "INSERTED 11111111111111111111"},
		{"DELETED", "NOT_FOUND\r\n"},
		{"DELETED", "DELETED\n"},
		{"DELETED", "INSERTED 1\r\n"},
		{"WATCHING", "WATCHING 1\r\r"},
		{"WATCHING", "WATCHING " + strings.Repeat("1", maxLine)},
		{"RESERVED", "DEADLINE_SOON\r\n"},
		{"RESERVED", "RESERVED 1\r\n"},
		{"RESERVED", "RESERVED 1 x\r\n"},
		{"RESERVED", "RESERVED 1 4\r\nabcd\r\n"},
		{"RESERVED", "RESERVED 1 6\r\nabcdef\r\n"},
		{"RESERVED", "RESERVED 1 5\r\nabcdef\r\n"},
		{"RESERVED", "RESERVED 1 18446744073709551621\r\nabcde\r\n"}, // 5, if it wrapped
	} {
		_, _, used, err := readers[c.kind]([]byte(c.reply))
		if used != 0 || err == nil {
			t.Errorf("%s: %q: used %d, error %v", c.kind, c.reply, used, err)
		}
	}
}

// A reply that comes in pieces is read as if it came at once.
func FuzzReply(f *testing.F) {
	f.Add("INSERTED 12\r\nDELETED\r\n")
	f.Add("RESERVED 1 5\r\nhello\r\n")
	f.Add("WATCHING 1\r\nINSERTED 99999999999999999999\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		in = in[:min(len(in), maxLine+50)] // every piece of it is read
		for kind, read := range readers {
			_, _, whole, wholeErr := read([]byte(in))
			if whole < 0 || whole > len(in) || whole > 0 && wholeErr != nil {
				t.Fatalf("%s: %q: used %d, error %v", kind, in, whole, wholeErr)
			}
			for i := range in {
				_, _, used, err := read([]byte(in[:i]))
				if used > 0 && (used != whole || err != nil) {
					t.Fatalf("%s: %q: used %d of the first %d bytes, but %d of all", kind, in, used, i, whole)
				}
				if err != nil && wholeErr == nil {
					t.Fatalf("%s: %q: the first %d bytes are wrong (%v), all of them are not", kind, in, i, err)
				}
			}
		}
	})
}

func TestMeasuringAllocatesNothing(t *testing.T) {
	r, err := newRequests(tubeNames("t", 1), 5, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	reply := []byte("RESERVED 123456 5\r\n" + string(r.body) + "\r\n")
	put, gone := []byte("INSERTED 123456\r\n"), []byte("DELETED\r\n")
	ids := []uint64{1, 1 << 52}
	var out []byte
	m := &meter{state: open, count: maxCount}
	allocs := testing.AllocsPerRun(100, func() {
		id, body, _, err := reserved(reply, len(r.body))
		if err == nil {
			_, err = r.check(id, body)
		}
		if err == nil {
			_, err = r.inserted(put, 0)
		}
		if err == nil {
			_, err = word(gone, "DELETED\r\n")
		}
		if err != nil {
			t.Fatal(err)
		}
		m.replies(putStep, 1, now())
		out = appendDeletes(out[:0], ids)
	})
	if allocs != 0 {
		t.Errorf("%v allocations a job", allocs)
	}
}
