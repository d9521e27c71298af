// Package nettest runs a door over connections in memory, with the turns of
// netserve's goroutine driver, for tests in a testing/synctest bubble: nothing in
// it waits on anything but channels, and writing never blocks.
package nettest

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve"
)

// Server serves one door over connections in memory.
type Server struct {
	Netserve *netserve.Server

	t  testing.TB
	ln *ends
}

// New starts a server for door over e, which must have been started and outlives
// it. The server is closed at the end of the test.
func New(t testing.TB, e *engine.Engine, door netserve.Door) *Server {
	t.Helper()
	return Start(t, door, netserve.Options{
		NewPort: func(wake func()) netserve.Port { return e.NewPort(wake) },
	})
}

// Start is New with options of the server.
func Start(t testing.TB, door netserve.Door, o netserve.Options) *Server {
	t.Helper()
	o.Driver = "goroutines"
	s := &Server{
		Netserve: netserve.New(o),
		t:        t,
		ln:       &ends{accept: make(chan end), closed: make(chan struct{})},
	}
	if err := s.Netserve.ListenOn(s.ln, door, netserve.ListenOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Netserve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Netserve.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Dial opens a connection, which the test need not close.
func (s *Server) Dial() *Client {
	s.t.Helper()
	e, err := s.ln.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	c := &Client{end: e, t: s.t}
	c.buf = bufio.NewReader(e)
	s.t.Cleanup(func() { c.Close() })
	return c
}

// Client is the client's side of a connection. Write never blocks; CloseWrite
// half-closes; Close ends the connection.
type Client struct {
	end
	t   testing.TB
	buf *bufio.Reader
}

// Patience is how long a Client's helpers wait for the server. In a bubble no real
// time passes.
const Patience = 10 * time.Second

// Read reads what is there, waiting until SetReadDeadline for at least a byte.
func (c *Client) Read(p []byte) (int, error) { return c.buf.Read(p) }

// Send writes text.
func (c *Client) Send(text string) {
	c.t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		c.t.Fatalf("sending %q: %v", text, err)
	}
}

// ReadLine returns the next line without its CRLF. It waits until SetReadDeadline;
// err is io.EOF when the server closed the connection, os.ErrDeadlineExceeded when
// nothing came in time.
func (c *Client) ReadLine() (string, error) {
	line, err := c.buf.ReadString('\n')
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err
}

// Expect reads as many bytes as want has and fails the test if they differ, or do
// not come within Patience.
func (c *Client) Expect(want string) {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(Patience))
	defer c.SetReadDeadline(time.Time{})
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.buf, got)
	if string(got[:n]) != want {
		c.t.Fatalf("got %q (%v), want %q", got[:n], err, want)
	}
}

// ExpectEOF fails the test unless the server closes the connection within
// Patience, sending nothing more.
func (c *Client) ExpectEOF() {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(Patience))
	defer c.SetReadDeadline(time.Time{})
	if rest, err := io.ReadAll(c.buf); err != nil || len(rest) > 0 {
		c.t.Fatalf("got %q (%v), want the end of the connection", rest, err)
	}
}
