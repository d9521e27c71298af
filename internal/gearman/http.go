package gearman

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"strings"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/queue"
)

// HTTP is gearmand's HTTP front end: a request is a job, its path the function, its
// body the data; the response is the result. A connection serves one request.
type HTTP struct{ *Door }

var _ netserve.Door = HTTP{}

// Name is the protocol's name.
func (h HTTP) Name() string { return "gearman-http" }

// Connect starts a connection.
func (h HTTP) Connect(s netserve.Session) netserve.Conn {
	return &httpConn{door: h.Door, session: s.ID, port: s.Port, out: s.Out}
}

// maxHTTPHead is the most bytes before a request's body.
const maxHTTPHead = 8192

// httpConn is a connection of the HTTP front end.
type httpConn struct {
	door    *Door
	session queue.SessionID
	port    engine.Requester
	out     *netserve.Out

	job     request // the job to put
	more    queue.More
	left    int64 // bytes of the body still to come
	reading bool  // the body, the head was read
	waiting bool  // for the queue or for the job's end
	spoiled bool  // a chunk of the body was refused
	id      queue.JobID
	data    [][]byte // what the worker said on the way
	size    int      // of data
}

// Feed implements netserve.Conn.
func (h *httpConn) Feed(in []byte) (used int) {
	for range netserve.FeedRequests {
		n := 0
		switch {
		case h.waiting || used == len(in):
		case h.reading:
			n = h.body(in[used:])
		default:
			n = h.head(in[used:])
		}
		if n == 0 {
			break
		}
		used += n
	}
	return used
}

// Blocked implements netserve.Conn.
func (h *httpConn) Blocked() bool { return h.waiting }

// InRequest implements netserve.Conn.
func (h *httpConn) InRequest() bool { return h.reading }

// EOF implements netserve.Conn: a client of HTTP that sends no more has gone.
func (h *httpConn) EOF() {
	h.waiting = false
	h.out.Close()
}

// Closed implements netserve.Conn.
func (h *httpConn) Closed() {}

// head reads the request line and the headers.
func (h *httpConn) head(in []byte) int {
	end, gap := bytes.Index(in, []byte("\r\n\r\n")), 4
	if lf := bytes.Index(in, []byte("\n\n")); lf >= 0 && (end < 0 || lf < end) {
		end, gap = lf, 2
	}
	if end < 0 || end > maxHTTPHead {
		if len(in) > maxHTTPHead {
			h.fail(http.StatusRequestHeaderFieldsTooLarge)
			return len(in)
		}
		return 0
	}
	head := bytes.Clone(in[:end+gap])
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		h.fail(http.StatusBadRequest)
		return len(in)
	}
	h.begin(r, head)
	return end + gap
}

// begin does what the head of a request asks, or prepares to read its body.
func (h *httpConn) begin(r *http.Request, head []byte) {
	function, err := url.PathUnescape(strings.TrimLeft(r.URL.EscapedPath(), "/"))
	switch {
	case r.Method == http.MethodTrace:
		h.out.String(statusLine(http.StatusOK) + serverLine + "Connection: close\r\nContent-Type: message/http\r\n\r\n")
		h.out.Bytes(head)
		h.out.Close()
	case r.Method == http.MethodHead:
		h.fail(http.StatusOK)
	case r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodGet:
		h.fail(http.StatusMethodNotAllowed)
	case foreign(r):
		h.fail(http.StatusForbidden)
	case err != nil || function == "" || strings.IndexByte(function, 0) >= 0:
		h.fail(http.StatusNotFound)
	case len(r.TransferEncoding) > 0:
		h.fail(http.StatusLengthRequired)
	case r.ContentLength > int64(h.door.opts.MaxPacket):
		h.fail(http.StatusRequestEntityTooLarge)
	default:
		h.job = request{cmd: commandOf(r)}
		h.job.arg[0], h.job.arg[1] = []byte(function), []byte(r.Header.Get("X-Gearman-Unique"))
		if code, _ := h.door.unfit(&h.job); code != "" {
			h.fail(http.StatusBadRequest)
			return
		}
		h.expectBody(r)
	}
}

// foreign says whether a page of another site made a browser send r.
func foreign(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

// commandOf is the packet that asks the same.
func commandOf(r *http.Request) command {
	background := strings.EqualFold(r.Header.Get("X-Gearman-Background"), "true")
	switch priority := strings.ToLower(r.Header.Get("X-Gearman-Priority")); {
	case priority == "high" && background:
		return cmdSubmitJobHighBG
	case priority == "high":
		return cmdSubmitJobHigh
	case priority == "low" && background:
		return cmdSubmitJobLowBG
	case priority == "low":
		return cmdSubmitJobLow
	case background:
		return cmdSubmitJobBG
	}
	return cmdSubmitJob
}

// expectBody prepares for the body; that of GET is not looked at, as in gearmand.
func (h *httpConn) expectBody(r *http.Request) {
	if r.Method != http.MethodGet {
		h.left = max(r.ContentLength, 0)
	}
	if h.left == 0 {
		h.put()
		return
	}
	if r.Header.Get("Expect") == "100-continue" {
		h.out.String("HTTP/1.1 100 Continue\r\n\r\n")
	}
	h.reading = true
	if h.left > queue.MaxInlineBody {
		h.job.upload = 1
	}
}

// body reads what has come of the body.
func (h *httpConn) body(in []byte) int {
	n := min(int64(len(in)), h.left)
	if h.job.upload == 0 {
		if n < h.left {
			return 0
		}
		h.job.data = in[:n]
		h.put()
		return int(n)
	}
	if n < minChunk && n < h.left {
		return 0
	}
	n = min(n, queue.MaxInlineBody)
	q := queue.Request{Op: queue.OpChunk, Seq: seqChunk, Upload: h.job.upload, Body: in[:n]}
	if h.door.volatile(h.job.cmd) {
		q.Flags = queue.FlagVolatile
	}
	h.do(q)
	if h.left -= n; h.left == 0 {
		h.put()
	}
	return int(n)
}

func (h *httpConn) put() {
	if h.spoiled {
		h.fail(http.StatusServiceUnavailable)
		return
	}
	h.reading, h.waiting = false, true
	q, m, _ := h.door.put(&h.job)
	h.more = m
	q.More = &h.more
	h.door.registry.name(h.job.arg[0])
	h.do(q)
}

func (h *httpConn) do(q queue.Request) {
	q.Session = h.session
	h.port.Do(&q)
}
