package memcache

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A script is a conversation with a server, a statement a line:
//
//	# comment
//	a> get x           client a, connected by its first statement, sends a line
//	a>> abc\r\n        … sends just these bytes
//	a< END             … gets this line
//	a<< abc            … gets just these bytes
//	a~ STAT pid \d+    … gets a line that matches
//	a... END           … gets lines, up to this one
//	a! 00 key=x        … sends a packet of the binary protocol, by its opcode
//	a= 00 status=1     … gets a packet
//	a silent           … has got nothing else
//	a shut             … sends no more
//	a close            … goes away
//	a closed           … is hung up on
//	-- 1.5s            time passes
//	ours STATEMENT     only of Millrace, theirs: only of memcached; a comment
//	theirs STATEMENT   "# differs: why" stands before them
//
// {x*200} stands for 200 times x, and \r \n \0 \xff are as in Go. A packet's fields
// are key, value, extras (hexadecimal), cas, opaque, flags and expiry.
type script struct {
	name  string
	lines []statement
}

type statement struct{ at, who, verb, text string }

func readScript(t testing.TB, path string, ours bool) script {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := script{name: strings.TrimSuffix(filepath.Base(path), ".txt")}
	explained := false
	for i, line := range strings.Split(string(data), "\n") {
		at := fmt.Sprintf("%s:%d", filepath.Base(path), i+1)
		explained = explained || strings.HasPrefix(line, "# differs: ")
		rest, isOurs := strings.CutPrefix(line, "ours ")
		rest, isTheirs := strings.CutPrefix(rest, "theirs ")
		if (isOurs || isTheirs) && !explained {
			t.Fatalf("%s: a difference that no comment explains", at)
		}
		if rest == "" || rest[0] == '#' || isOurs && !ours || isTheirs && ours {
			continue
		}
		if after, ok := strings.CutPrefix(rest, "-- "); ok {
			s.lines = append(s.lines, statement{at, "--", "", after})
			continue
		}
		m := statementForm.FindStringSubmatch(rest)
		if m == nil {
			t.Fatalf("%s: no statement: %q", at, line)
		}
		s.lines = append(s.lines, statement{at, m[1], m[2], expand(t, at, m[2], m[3])})
	}
	return s
}

var (
	statementForm = regexp.MustCompile(`^([a-z])(>>|>|<<|<|~|\.\.\.|!|=| silent| shut| close| closed)(?: (.*))?$`)
	repetition    = regexp.MustCompile(`\{(.)\*(\d+)\}`)
)

func expand(t testing.TB, at, verb, text string) string {
	text = repetition.ReplaceAllStringFunc(text, func(m string) string {
		n, _ := strconv.Atoi(m[3 : len(m)-1])
		return strings.Repeat(m[1:2], n)
	})
	if verb == "~" || !strings.Contains(text, `\`) {
		return text
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.ReplaceAll(text, `"`, `\"`), `\0`, `\x00`) + `"`)
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	return text
}

// rig is a server to run scripts on.
type rig interface {
	dial() connection
	settle() // waits until the server has done what it has been sent
	pass(time.Duration)
}

type connection interface {
	io.ReadWriteCloser
	CloseWrite() error
	SetReadDeadline(time.Time) error
}

// patience is how long an answer may take. Over nettest it is virtual time.
const patience = 5 * time.Second

// run has the conversation, up to the first answer that is wrong.
func (s script) run(r rig) error {
	clients := map[string]*client{}
	for _, st := range s.lines {
		if st.who == "--" {
			d, err := time.ParseDuration(st.text)
			if err != nil {
				return fmt.Errorf("%s: %w", st.at, err)
			}
			r.settle()
			r.pass(d)
			continue
		}
		c := clients[st.who]
		if c == nil {
			conn := r.dial()
			defer conn.Close()
			c = &client{conn: conn, r: bufio.NewReader(conn)}
			clients[st.who] = c
		}
		if err := c.do(r, st); err != nil {
			return fmt.Errorf("%s: %s%s %.80q: %w", st.at, st.who, st.verb, st.text, err)
		}
	}
	r.settle()
	for name, c := range clients {
		if err := c.silent(); err != nil {
			return fmt.Errorf("%s: client %s at the end: %w", s.name, name, err)
		}
	}
	return nil
}

type client struct {
	conn connection
	r    *bufio.Reader
	gone bool
}

func (c *client) do(r rig, st statement) (err error) {
	c.conn.SetReadDeadline(time.Now().Add(patience))
	switch st.verb {
	case ">":
		_, err = io.WriteString(c.conn, st.text+"\r\n")
	case ">>":
		_, err = io.WriteString(c.conn, st.text)
	case "!":
		_, err = c.conn.Write(packet(st.text).request())
	case "<":
		err = c.expect(st.text + "\r\n")
	case "<<":
		err = c.expect(st.text)
	case "~":
		err = c.match(st.text)
	case "...":
		for line := ""; line != st.text+"\r\n" && err == nil; {
			line, err = c.r.ReadString('\n')
		}
	case "=":
		err = c.expectPacket(packet(st.text))
	case " shut":
		r.settle()
		err = c.conn.CloseWrite()
	case " close":
		r.settle()
		err = c.conn.Close()
		r.settle()
		c.gone = true
	case " silent":
		r.settle()
		err = c.silent()
	case " closed":
		var rest []byte
		if rest, err = io.ReadAll(c.r); len(rest) > 0 {
			err = fmt.Errorf("also got %.200q", rest)
		}
		c.gone = true
	}
	return err
}

func (c *client) expect(want string) error {
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.r, got)
	if string(got[:n]) != want {
		return fmt.Errorf("got %.300q (%v)", got[:n], err)
	}
	return nil
}

func (c *client) match(pattern string) error {
	line, err := c.r.ReadString('\n')
	if !regexp.MustCompile("^" + pattern + "\r\n$").MatchString(line) {
		return fmt.Errorf("got %.300q (%v)", line, err)
	}
	return nil
}

func (c *client) silent() error {
	if c.gone {
		return nil
	}
	c.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	c.r.Peek(1)
	if n := c.r.Buffered(); n > 0 {
		got, _ := c.r.Peek(n)
		return fmt.Errorf("also got %.200q", got)
	}
	c.r.Reset(c.conn) // forget the deadline's error
	return nil
}

// packet is "opcode field=value …".
type packet string

func (p packet) field(name string) (string, bool) {
	for _, f := range strings.Split(string(p), " ")[1:] {
		if v, ok := strings.CutPrefix(f, name+"="); ok {
			return v, true
		}
	}
	return "", false
}

func (p packet) number(name string) uint64 {
	v, _ := p.field(name)
	n, _ := strconv.ParseUint(v, 0, 64)
	return n
}

func (p packet) parts() (opcode byte, extras []byte, key, value string) {
	code, err := hex.DecodeString(string(p[:2]))
	if err != nil {
		panic(err)
	}
	text, _ := p.field("extras")
	if extras, err = hex.DecodeString(text); err != nil {
		panic(err)
	}
	if _, ok := p.field("flags"); ok {
		extras = binary.BigEndian.AppendUint32(extras, uint32(p.number("flags")))
	}
	if _, ok := p.field("expiry"); ok {
		extras = binary.BigEndian.AppendUint32(extras, uint32(p.number("expiry")))
	}
	key, _ = p.field("key")
	value, _ = p.field("value")
	return code[0], extras, key, strings.ReplaceAll(value, "_", " ")
}

func (p packet) request() []byte {
	opcode, extras, key, value := p.parts()
	b := []byte{magicRequest, opcode}
	b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
	b = append(b, byte(len(extras)), 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(extras)+len(key)+len(value)))
	b = binary.BigEndian.AppendUint32(b, uint32(p.number("opaque")))
	b = binary.BigEndian.AppendUint64(b, p.number("cas"))
	return append(append(append(b, extras...), key...), value...)
}

// expectPacket compares all of a packet, but for its cas if that is "*" and for its
// value if that is "?".
func (c *client) expectPacket(p packet) error {
	head := make([]byte, binaryHeader)
	if _, err := io.ReadFull(c.r, head); err != nil {
		return fmt.Errorf("got %q (%w)", head, err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[8:]))
	if _, err := io.ReadFull(c.r, body); err != nil {
		return err
	}
	want := p.request()
	want[0] = magicReply
	binary.BigEndian.PutUint16(want[6:], uint16(p.number("status")))
	if cas, _ := p.field("cas"); cas == "*" {
		copy(want[16:], head[16:24])
	}
	if value, _ := p.field("value"); value == "?" {
		want = append(want[:len(want)-1:len(want)-1], body[len(want)-1-binaryHeader:]...)
		copy(want[8:12], head[8:12])
	}
	if got := append(head, body...); !bytes.Equal(got, want) {
		return fmt.Errorf("got %.300q,\nwant %.300q", got, want)
	}
	return nil
}
