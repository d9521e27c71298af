package gearman

import (
	"bufio"
	"encoding/binary"
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
//	args -j 2           the server's arguments
//	a> CAN_DO f         client a, connected by its first statement, sends a packet
//	a>> status\n        … sends just these bytes
//	a< JOB_CREATED {1}  … gets this packet, or if it is no packet's name:
//	a< OK               … this line of text, its end left out
//	a? f\t1\t0\t0, g    … gets these lines in any order, and a "." behind them
//	a silent            … has got nothing else
//	a open              … connects, and does no more
//	a close             … goes away
//	a closed            … is hung up on
//	-- 1.5s             time passes
//	ours STATEMENT      only of Millrace, theirs: only of gearmand 1.1.20; a comment
//	theirs STATEMENT    "# differs: why" stands before them
//
// {1} stands for a handle: the one that stood there first. {now+2} is a time in
// seconds since 1970, {x*200} is 200 times x, and \n \0 \xff are as in Go.
type script struct {
	name  string
	args  []string
	lines []statement
}

type statement struct {
	at   string // file:line
	who  string // a client, or "--"
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
		case who == "--":
			s.lines = append(s.lines, statement{at, who, "", rest})
		case len(name) != 1:
			t.Fatalf("%s: no statement: %q", at, line)
		case name == who:
			s.lines = append(s.lines, statement{at, who, rest, ""})
		default:
			s.lines = append(s.lines, statement{at, name, who[1:], expand(t, at, rest)})
		}
	}
	return s
}

var repetition = regexp.MustCompile(`\{(.)\*(\d+)\}`)

func expand(t *testing.T, at, text string) string {
	text = repetition.ReplaceAllStringFunc(text, func(m string) string {
		n, _ := strconv.Atoi(m[3 : len(m)-1])
		return strings.Repeat(m[1:2], n)
	})
	if !strings.Contains(text, `\`) {
		return text
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.ReplaceAll(text, `"`, `\"`), `\0`, `\x00`) + `"`)
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	return text
}

// packetNames are the types of packets as the protocol's documents call them.
var packetNames = map[string]command{
	"CAN_DO": cmdCanDo, "CANT_DO": cmdCantDo, "RESET_ABILITIES": cmdResetAbilities, "PRE_SLEEP": cmdPreSleep,
	"UNUSED": cmdUnused, "NOOP": cmdNoop, "SUBMIT_JOB": cmdSubmitJob, "JOB_CREATED": cmdJobCreated, "GRAB_JOB": cmdGrabJob,
	"NO_JOB": cmdNoJob, "JOB_ASSIGN": cmdJobAssign, "WORK_STATUS": cmdWorkStatus, "WORK_COMPLETE": cmdWorkComplete,
	"WORK_FAIL": cmdWorkFail, "GET_STATUS": cmdGetStatus, "ECHO_REQ": cmdEchoReq, "ECHO_RES": cmdEchoRes,
	"SUBMIT_JOB_BG": cmdSubmitJobBG, "ERROR": cmdError, "STATUS_RES": cmdStatusRes, "SUBMIT_JOB_HIGH": cmdSubmitJobHigh,
	"SET_CLIENT_ID": cmdSetClientID, "CAN_DO_TIMEOUT": cmdCanDoTimeout, "ALL_YOURS": cmdAllYours,
	"WORK_EXCEPTION": cmdWorkException, "OPTION_REQ": cmdOptionReq, "OPTION_RES": cmdOptionRes, "WORK_DATA": cmdWorkData,
	"WORK_WARNING": cmdWorkWarning, "GRAB_JOB_UNIQ": cmdGrabJobUniq, "JOB_ASSIGN_UNIQ": cmdJobAssignUniq,
	"SUBMIT_JOB_HIGH_BG": cmdSubmitJobHighBG, "SUBMIT_JOB_LOW": cmdSubmitJobLow, "SUBMIT_JOB_LOW_BG": cmdSubmitJobLowBG,
	"SUBMIT_JOB_SCHED": cmdSubmitJobSched, "SUBMIT_JOB_EPOCH": cmdSubmitJobEpoch, "SUBMIT_REDUCE_JOB": cmdSubmitReduceJob,
	"SUBMIT_REDUCE_JOB_BACKGROUND": cmdSubmitReduceJobBG, "GRAB_JOB_ALL": cmdGrabJobAll, "JOB_ASSIGN_ALL": cmdJobAssignAll,
	"GET_STATUS_UNIQUE": cmdGetStatusUnique, "STATUS_RES_UNIQUE": cmdStatusResUnique,
}

// packetOf makes the bytes of a packet written as its name and what follows.
func packetOf(magic, text string) (string, bool) {
	name, body, _ := strings.Cut(text, " ")
	cmd, ok := packetNames[name]
	if !ok {
		return "", false
	}
	b := binary.BigEndian.AppendUint32([]byte(magic), uint32(cmd))
	return string(binary.BigEndian.AppendUint32(b, uint32(len(body)))) + body, true
}

// rig is a server to run scripts on.
type rig interface {
	dial() connection
	settle() // waits until the server has done what it has been sent
	pass(time.Duration)
	now() time.Time
}

type connection interface {
	io.ReadWriteCloser
	CloseWrite() error
	SetReadDeadline(time.Time) error
}

// talk is a script under way.
type talk struct {
	rig
	clients map[string]*scriptClient
	handles map[string]string // by their place holders
}

// run has the conversation, up to the first answer that is wrong.
func (s script) run(r rig) error {
	k := talk{rig: r, clients: map[string]*scriptClient{}, handles: map[string]string{}}
	busy := "" // who sent last and has got no answer since
	for _, st := range s.lines {
		if busy != "" && busy != st.who {
			r.settle()
			busy = ""
		}
		if st.who == "--" {
			d, err := time.ParseDuration(st.text)
			if err != nil {
				return fmt.Errorf("%s: %w", st.at, err)
			}
			r.pass(d)
			continue
		}
		c := k.clients[st.who]
		if c == nil {
			c = newScriptClient(r.dial())
			defer c.conn.Close()
			k.clients[st.who] = c
		}
		if st.verb[0] == '>' || st.verb == "close" || st.verb == "open" {
			busy = st.who
		} else if busy == st.who && st.verb != "silent" {
			busy = ""
		}
		if err := k.do(c, st); err != nil {
			return fmt.Errorf("%s: %s%s %.120q: %w", st.at, st.who, st.verb, st.text, err)
		}
	}
	r.settle()
	for name, c := range k.clients {
		if err := c.silent(); err != nil {
			return fmt.Errorf("%s: client %s at the end: %w", s.name, name, err)
		}
	}
	return nil
}

func (k *talk) do(c *scriptClient, st statement) (err error) {
	switch st.verb {
	case ">":
		packet, ok := packetOf(magicRequest, k.fill(st.text))
		if !ok {
			return fmt.Errorf("no packet has this name")
		}
		_, err = io.WriteString(c.conn, packet)
	case ">>":
		_, err = io.WriteString(c.conn, k.fill(st.text))
	case "<":
		err = k.expect(c, st.text)
	case "?":
		err = k.expectList(c, st.text)
	case "open":
	case "close":
		err = c.conn.Close()
	case "silent":
		k.settle()
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

var (
	placeHolder = regexp.MustCompile(`\{[0-9]\}`)
	timeOf      = regexp.MustCompile(`\{now([+-]\d+)\}`)
)

// fill replaces the place holders that are known.
func (k *talk) fill(text string) string {
	text = timeOf.ReplaceAllStringFunc(text, func(m string) string {
		n, _ := strconv.Atoi(m[4 : len(m)-1])
		return strconv.FormatInt(k.now().Unix()+int64(n), 10)
	})
	return placeHolder.ReplaceAllStringFunc(text, func(m string) string {
		if h := k.handles[m]; h != "" {
			return h
		}
		return m
	})
}

// matches compares, and learns the handle that stands for a place holder seen for
// the first time.
func (k *talk) matches(want, got string) bool {
	want = k.fill(want)
	unknown := placeHolder.FindAllString(want, -1)
	pattern := regexp.QuoteMeta(want)
	for _, m := range unknown {
		pattern = strings.Replace(pattern, regexp.QuoteMeta(m), `(H:[^:\x00]+:\d+)`, 1)
	}
	found := regexp.MustCompile(`(?s)^` + pattern + `$`).FindStringSubmatch(got)
	if found == nil {
		return false
	}
	for i, m := range unknown {
		k.handles[m] = found[i+1]
	}
	return true
}

func (k *talk) expect(c *scriptClient, want string) error {
	got, err := c.next()
	if err == nil && !k.matches(want, got) {
		err = fmt.Errorf("got %.300q, want %.300q", got, k.fill(want))
	}
	return err
}

func (k *talk) expectList(c *scriptClient, text string) error {
	var got []string
	for {
		line, err := c.next()
		if err != nil {
			return err
		}
		if line == "." {
			break
		}
		got = append(got, line)
	}
	var want []string
	if text != "" {
		want = strings.Split(text, ", ")
	}
	all := slices.Clone(got)
	for _, w := range want {
		i := slices.IndexFunc(got, func(g string) bool { return k.matches(w, g) })
		if i < 0 {
			return fmt.Errorf("got %q, without %q", all, w)
		}
		got = slices.Delete(got, i, i+1)
	}
	if len(got) > 0 {
		return fmt.Errorf("also got %q", got)
	}
	return nil
}

// scriptClient reads in a goroutine of its own, so that silence can be observed.
type scriptClient struct {
	conn  connection
	items chan string   // packets as scripts write them, and lines
	ended chan struct{} // closed when the server has hung up
}

func newScriptClient(conn connection) *scriptClient {
	c := &scriptClient{conn: conn, items: make(chan string, 1<<16), ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		for r := bufio.NewReader(conn); ; {
			item, err := readItem(r)
			if item != "" {
				c.items <- item
			}
			if err != nil {
				return
			}
		}
	}()
	return c
}

// readItem reads a packet or a line.
func readItem(r *bufio.Reader) (string, error) {
	first, err := r.Peek(1)
	if err != nil {
		return "", err
	}
	if first[0] != 0 {
		line, err := r.ReadString('\n')
		return strings.TrimRight(line, "\r\n"), err
	}
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Sprintf("%q", head), err
	}
	h, ok := parseHeader(head[:])
	if !ok || !h.response {
		return fmt.Sprintf("%q", head), fmt.Errorf("not a packet")
	}
	body := make([]byte, h.size)
	if _, err := io.ReadFull(r, body); err != nil {
		return "", err
	}
	for name, cmd := range packetNames {
		if cmd == h.cmd && h.size > 0 {
			return name + " " + string(body), nil
		} else if cmd == h.cmd {
			return name, nil
		}
	}
	return fmt.Sprintf("packet %d", h.cmd), nil
}

// patience is how long an answer may take. Over nettest it is virtual time.
const patience = 5 * time.Second

func (c *scriptClient) next() (string, error) {
	select {
	case item := <-c.items:
		return item, nil
	default:
	}
	select {
	case item := <-c.items:
		return item, nil
	case <-time.After(patience):
		return "", fmt.Errorf("got nothing")
	}
}

func (c *scriptClient) silent() error {
	select {
	case item := <-c.items:
		return fmt.Errorf("also got %.300q", item)
	default:
		return nil
	}
}
