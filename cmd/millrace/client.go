package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/config"
)

// dialTimeout is how long a command waits for a server to accept.
const dialTimeout = 10 * time.Second

// clientOptions is how a command reaches a server.
type clientOptions struct {
	server                 string
	tlsCA, tlsCert, tlsKey string
}

func (o *clientOptions) declare(s *config.Set) {
	o.server = "127.0.0.1:11300"
	s.Group("Server")
	s.Var(config.Text(&o.server), "server", "ADDR", "a server of the beanstalk protocol: host:port or unix:/path")
	s.Var(config.Text(&o.tlsCA), "tls-ca", "FILE", "speak TLS, and trust the certificates that FILE signed")
	s.Var(config.Text(&o.tlsCert), "tls-cert", "FILE", "show this certificate to the server")
	s.Var(config.Text(&o.tlsKey), "tls-key", "FILE", "and this is its private key")
}

// dial connects to the server.
func (o *clientOptions) dial() (*client, error) {
	network, address := "tcp", o.server
	if path, ok := strings.CutPrefix(o.server, "unix:"); ok {
		network, address = "unix", path
	}
	conn, err := net.DialTimeout(network, address, dialTimeout)
	if err != nil {
		return nil, fmt.Errorf("no server at %s: %w; start one with `millrace serve`, or name one with --server", o.server, err)
	}
	if o.tlsCA != "" {
		if conn, err = o.handshake(conn); err != nil {
			return nil, err
		}
	}
	return &client{conn: conn, in: bufio.NewReader(conn)}, nil
}

func (o *clientOptions) handshake(conn net.Conn) (net.Conn, error) {
	pem, err := os.ReadFile(o.tlsCA)
	if err != nil {
		return nil, fmt.Errorf("cannot read --tls-ca: %w", err)
	}
	host, _, _ := net.SplitHostPort(o.server)
	settings := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: host}
	if !settings.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("there is no certificate in %s (--tls-ca)", o.tlsCA)
	}
	if o.tlsCert != "" {
		pair, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
		if err != nil {
			return nil, fmt.Errorf("cannot use --tls-cert and --tls-key: %w", err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	secure := tls.Client(conn, settings)
	if err := secure.Handshake(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("no TLS with %s: %w", o.server, err)
	}
	return secure, nil
}

// client speaks the beanstalk protocol, one request at a time. Several goroutines
// may use it.
type client struct {
	mu   sync.Mutex
	conn net.Conn
	in   *bufio.Reader
}

// reply is an answer: its words, and the bytes that follow it, if any.
type reply struct {
	words []string
	body  []byte
}

// number is word i as a number; 0 when there is none.
func (r reply) number(i int) uint64 {
	if i >= len(r.words) {
		return 0
	}
	n, _ := strconv.ParseUint(r.words[i], 10, 64)
	return n
}

// unexpected is an answer other than the one hoped for.
type unexpected struct{ request, answer string }

func (u unexpected) Error() string {
	if meaning, ok := meanings[u.answer]; ok {
		return meaning
	}
	return fmt.Sprintf("the server answered %s to %q", u.answer, u.request)
}

// meanings says in a sentence what answers mean that a command can lead to.
var meanings = map[string]string{
	"DRAINING":      "the server is in drain mode: it takes no jobs until it is started again",
	"JOB_TOO_BIG":   "the job is larger than the server takes: start it with a larger --max-job-size",
	"OUT_OF_MEMORY": "the server has no room for another job: free space on its disk, or delete jobs",
	"BAD_FORMAT":    "the server does not take that: a tube's name is at most 200 letters, digits and -+/;.$_(), and does not start with -",
}

// call sends a request (body may be nil) and returns the answer if its first word
// is want; otherwise the error is an unexpected.
func (c *client) call(want, request string, body []byte) (reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []byte(request + "\r\n")
	if body != nil {
		out = append(append(out, body...), "\r\n"...)
	}
	if _, err := c.conn.Write(out); err != nil {
		return reply{}, lost(err)
	}
	r, err := c.readReply()
	if err != nil {
		return r, lost(err)
	}
	if r.words[0] != want {
		return r, unexpected{request, strings.Join(r.words, " ")}
	}
	return r, nil
}

func (c *client) readReply() (reply, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return reply{}, err
	}
	r := reply{words: strings.Fields(line)}
	if len(r.words) == 0 {
		return r, errors.New("an empty answer")
	}
	switch r.words[0] {
	case "RESERVED", "FOUND", "OK":
		// Read as it comes: the length is only what the server says.
		size := int64(r.number(len(r.words) - 1))
		r.body, err = io.ReadAll(io.LimitReader(c.in, size+2))
		if err == nil && int64(len(r.body)) < size+2 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return r, err
		}
		r.body = r.body[:size]
	}
	return r, nil
}

func lost(err error) error {
	if err == io.EOF {
		err = errors.New("the server closed it")
	}
	return fmt.Errorf("the connection was lost: %w", err)
}

// watchTubes makes the session reserve from the given tubes only. An empty list
// leaves "default".
func (c *client) watchTubes(tubes []string) error {
	for _, t := range tubes {
		if _, err := c.call("WATCHING", "watch "+t, nil); err != nil {
			return err
		}
	}
	if len(tubes) == 0 || slices.Contains(tubes, "default") {
		return nil
	}
	_, err := c.call("WATCHING", "ignore default", nil)
	return err
}

// fields reads the flat YAML of the stats commands.
func fields(body []byte) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(string(body)) {
		if name, text, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			m[name] = strings.Trim(text, `"`)
		}
	}
	return m
}

// seconds is a length of time as the protocol counts it, rounded up.
func seconds(d time.Duration) uint64 {
	return uint64((d + time.Second - 1) / time.Second)
}
