package beanstalk

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A script is a conversation with a server, a statement a line:
//
//	# comment
//	args -z 10        the server's arguments
//	a> put 0 0 60 1   client a, connected by its first statement, sends a line
//	a>> abc\r\n       … sends just these bytes
//	a< INSERTED 1     … gets this line
//	a<< a\n           … gets just these bytes, which end in the only LF
//	a? state: ready   … gets a YAML reply that has this key, its value a pattern;
//	                  more of these for the same client go on with the same reply
//	a? list: x y      … gets a YAML list of these, in any order
//	a silent          … has got nothing else
//	a open            … connects, and does no more
//	a shut            … sends no more
//	a close           … goes away
//	a closed          … is hung up on
//	-- 1.5s           time passes
//	drain             the server is told to drain
//	ours STATEMENT    only of Millrace, theirs: only of beanstalkd 1.12; a comment
//	theirs STATEMENT  "# differs: why" stands before them
//
// {x*200} stands for 200 times x, and \r \n \0 \xff are as in Go.
type script struct {
	name  string
	args  []string
	lines []statement
}

type statement struct {
	at   string // file:line
	who  string // a client, "--" or "drain"
	verb string
	text string
}

func readScript(t *testing.T, path string, ours bool) script {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := script{name: strings.TrimSuffix(filepath.Base(path), ".txt")}
	explained := false
	for i, line := range strings.Split(string(data), "\n") {
		explained = explained || strings.HasPrefix(line, "# differs: ")
		rest, isOurs := strings.CutPrefix(line, "ours ")
		rest, isTheirs := strings.CutPrefix(rest, "theirs ")
		at := fmt.Sprintf("%s:%d", filepath.Base(path), i+1)
		if (isOurs || isTheirs) && !explained {
			t.Fatalf("%s: a difference that no comment explains", at)
		}
		if rest == "" || rest[0] == '#' || isOurs && !ours || isTheirs && ours {
			continue
		}
		who, rest, _ := strings.Cut(rest, " ")
		switch name := strings.TrimRight(who, "<>?"); {
		case who == "args":
			s.args = strings.Fields(rest)
		case who == "--" || who == "drain":
			s.lines = append(s.lines, statement{at, who, "", rest})
		case len(name) != 1:
			t.Fatalf("%s: no statement: %q", at, line)
		case name == who:
			s.lines = append(s.lines, statement{at, who, rest, ""})
		default:
			s.lines = append(s.lines, statement{at, name, who[1:], expand(t, at, who[1:], rest)})
		}
	}
	return s
}

var repetition = regexp.MustCompile(`\{(.)\*(\d+)\}`)

func expand(t *testing.T, at, verb, text string) string {
	text = repetition.ReplaceAllStringFunc(text, func(m string) string {
		n, _ := strconv.Atoi(m[3 : len(m)-1])
		return strings.Repeat(m[1:2], n)
	})
	if verb == "?" || !strings.Contains(text, `\`) {
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
	drain()
}

type connection interface {
	io.ReadWriteCloser
	CloseWrite() error
	SetReadDeadline(time.Time) error
}

// run has the conversation, up to the first answer that is wrong.
func (s script) run(r rig) error {
	clients := map[string]*scriptClient{}
	busy := "" // who sent last and has got no answer since
	for _, st := range s.lines {
		if busy != "" && busy != st.who {
			r.settle()
			busy = ""
		}
		switch st.who {
		case "drain":
			r.drain()
			continue
		case "--":
			d, err := time.ParseDuration(st.text)
			if err != nil {
				return fmt.Errorf("%s: %w", st.at, err)
			}
			r.pass(d)
			continue
		}
		c := clients[st.who]
		if c == nil {
			c = newScriptClient(r.dial())
			defer c.conn.Close()
			clients[st.who] = c
		}
		if st.verb[0] == '>' || st.verb == "shut" || st.verb == "close" || st.verb == "open" {
			busy = st.who
		} else if busy == st.who && st.verb != "silent" {
			busy = ""
		}
		if err := c.do(r, st); err != nil {
			return fmt.Errorf("%s: %s%s %.80q: %w", st.at, st.who, st.verb, st.text, err)
		}
	}
	if busy != "" {
		r.settle()
	}
	for name, c := range clients {
		if err := c.silent(); err != nil {
			return fmt.Errorf("%s: client %s at the end: %w", s.name, name, err)
		}
	}
	return nil
}

// scriptClient reads in a goroutine of its own, so that silence can be observed.
type scriptClient struct {
	conn  connection
	lines chan string   // the bytes that came, line by line
	ended chan struct{} // closed when the server has hung up
	yaml  []string      // the lines of the YAML reply being looked at
}

func newScriptClient(conn connection) *scriptClient {
	c := &scriptClient{conn: conn, lines: make(chan string, 1<<16), ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		for r := bufio.NewReader(conn); ; {
			line, err := r.ReadString('\n')
			if line != "" {
				c.lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	return c
}

func (c *scriptClient) do(r rig, st statement) (err error) {
	if st.verb != "?" {
		c.yaml = nil
	}
	switch st.verb {
	case ">":
		_, err = io.WriteString(c.conn, st.text+"\r\n")
	case ">>":
		_, err = io.WriteString(c.conn, st.text)
	case "<":
		err = c.expect(st.text + "\r\n")
	case "<<":
		err = c.expect(st.text)
	case "?":
		err = c.look(st.text)
	case "open":
	case "shut":
		err = c.conn.CloseWrite()
	case "close":
		err = c.conn.Close()
	case "silent":
		r.settle()
		err = c.silent()
	case "closed":
		select {
		case <-c.ended:
			err = c.silent()
		case <-time.After(patience):
			err = fmt.Errorf("still open")
		}
	default:
		err = fmt.Errorf("no such verb")
	}
	return err
}

// patience is how long an answer may take. Over nettest it is virtual time.
const patience = 5 * time.Second

func (c *scriptClient) next() (string, error) {
	select {
	case line := <-c.lines:
		return line, nil
	default:
	}
	select {
	case line := <-c.lines:
		return line, nil
	case <-time.After(patience):
		return "", fmt.Errorf("got nothing")
	}
}

func (c *scriptClient) expect(want string) error {
	got, err := c.next()
	if err == nil && got != want {
		err = fmt.Errorf("got %.200q", got)
	}
	return err
}

func (c *scriptClient) silent() error {
	select {
	case line := <-c.lines:
		return fmt.Errorf("also got %q", line)
	default:
		return nil
	}
}

// look checks a line of a YAML reply, reading the reply first.
func (c *scriptClient) look(want string) error {
	if c.yaml == nil {
		if err := c.readYAML(); err != nil {
			return err
		}
	}
	key, value, _ := strings.Cut(want, ": ")
	if key == "list" {
		names := strings.Fields(value)
		slices.Sort(names)
		got := slices.Sorted(slices.Values(c.yaml))
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], "- ")
		}
		if !slices.Equal(got, names) {
			return fmt.Errorf("got %q", got)
		}
		return nil
	}
	pattern := regexp.MustCompile("^(" + value + ")$")
	for _, line := range c.yaml {
		if k, v, _ := strings.Cut(line, ": "); k == key {
			// beanstalkd quotes names from 1.13 on.
			if !pattern.MatchString(strings.Trim(v, `"`)) {
				return fmt.Errorf("got %q", line)
			}
			return nil
		}
	}
	return fmt.Errorf("not in %q", c.yaml)
}

func (c *scriptClient) readYAML() error {
	head, err := c.next()
	if err != nil {
		return err
	}
	var size int
	if _, err := fmt.Sscanf(head, "OK %d\r\n", &size); err != nil {
		return fmt.Errorf("got %q", head)
	}
	var body strings.Builder
	for body.Len() < size {
		line, err := c.next()
		if err != nil {
			return err
		}
		body.WriteString(line)
	}
	if end, err := c.next(); err != nil || end != "\r\n" {
		return fmt.Errorf("reply ends in %q: %v", end, err)
	}
	lines := strings.Split(strings.TrimSuffix(body.String(), "\n"), "\n")
	if lines[0] != "---" {
		return fmt.Errorf("reply begins with %q", lines[0])
	}
	c.yaml = lines[1:]
	return nil
}
