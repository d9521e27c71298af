package crash

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// answerLimit is how long a server may take to answer; it is long, because a test
// machine may be busy. A server that hangs is a failure.
const answerLimit = 30 * time.Second

// conn speaks the protocol, one command after the other.
type conn struct {
	net.Conn
	r *bufio.Reader
}

func dial(addr string) (*conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &conn{c, bufio.NewReader(c)}, nil
}

// connect is a connection that lasts as long as the test.
func connect(t testing.TB, addr string) *conn {
	t.Helper()
	c, err := dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// send writes a command, or several, without waiting for the answer.
func (c *conn) send(format string, args ...any) error {
	c.SetDeadline(time.Now().Add(answerLimit))
	_, err := fmt.Fprintf(c, format+"\r\n", args...)
	return err
}

// line reads one line of an answer.
func (c *conn) line() (string, error) {
	s, err := c.r.ReadString('\n')
	if err == nil && !strings.HasSuffix(s, "\r\n") {
		err = fmt.Errorf("the answer %q has no line end", s)
	}
	return strings.TrimSuffix(s, "\r\n"), err
}

// call sends a command and reads the line that answers it.
func (c *conn) call(format string, args ...any) (string, error) {
	if err := c.send(format, args...); err != nil {
		return "", err
	}
	return c.line()
}

// reply is an answer that carries a job or a text.
type reply struct {
	word string // RESERVED, FOUND, OK or what stands for the lack of it
	id   uint64
	body string
}

// job sends a command that a job, or a text, may answer.
func (c *conn) job(format string, args ...any) (reply, error) {
	if err := c.send(format, args...); err != nil {
		return reply{}, err
	}
	return c.readJob()
}

func (c *conn) readJob() (reply, error) {
	line, err := c.line()
	if err != nil {
		return reply{}, err
	}
	words := strings.Fields(line)
	r := reply{word: line}
	if len(words) < 2 || words[0] != "RESERVED" && words[0] != "FOUND" && words[0] != "OK" {
		return r, nil
	}
	r.word = words[0]
	if len(words) == 3 {
		if r.id, err = strconv.ParseUint(words[1], 10, 64); err != nil {
			return r, err
		}
	}
	size, err := strconv.Atoi(words[len(words)-1])
	if err != nil {
		return r, err
	}
	body := make([]byte, size+2)
	if _, err := io.ReadFull(c.r, body); err != nil {
		return r, err
	}
	r.body = string(body[:size])
	return r, nil
}

// put puts a job into the used tube and returns its id; 0 with the server's answer
// when it is refused.
func (c *conn) put(pri uint32, delay, ttr int, body string) (id uint64, answer string, err error) {
	answer, err = c.call("put %d %d %d %d\r\n%s", pri, delay, ttr, len(body), body)
	return inserted(answer), answer, err
}

func inserted(answer string) uint64 {
	digits, _ := strings.CutPrefix(answer, "INSERTED ")
	id, _ := strconv.ParseUint(digits, 10, 64)
	return id
}

// stat reads one value of a stats answer.
func (c *conn) stat(command, key string) (string, error) {
	r, err := c.job("%s", command)
	if err != nil {
		return "", err
	}
	return field(r.body, key), nil
}

func field(yaml, key string) string {
	_, rest, _ := strings.Cut("\n"+yaml, "\n"+key+": ")
	value, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(value, `"`)
}

// must sends a command to which the given answer is expected.
func (c *conn) must(t testing.TB, want, format string, args ...any) {
	t.Helper()
	got, err := c.call(format, args...)
	if err != nil || got != want {
		t.Fatalf("%.60q: want %q, got %q, %v", fmt.Sprintf(format, args...), want, got, err)
	}
}

// mustPut puts a job that has to be taken.
func (c *conn) mustPut(t testing.TB, body string) uint64 {
	t.Helper()
	id, answer, err := c.put(0, 0, 600, body)
	if err != nil || id == 0 {
		t.Fatalf("put: %q, %v", answer, err)
	}
	return id
}

// mustReserve reserves a job that has to come.
func (c *conn) mustReserve(t testing.TB, timeout int) reply {
	t.Helper()
	r, err := c.job("reserve-with-timeout %d", timeout)
	if err != nil || r.word != "RESERVED" {
		t.Fatalf("reserve-with-timeout %d: %q, %v", timeout, r.word, err)
	}
	return r
}

// gone says that the server closed the connection or ended, and not that it hangs.
func gone(err error) bool {
	var timeout net.Error
	return err != nil && !(errors.As(err, &timeout) && timeout.Timeout())
}
