package gearman

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/queue"
)

const serverLine = "Server: Millrace\r\n"

// statusLine is the first line of a response, in gearmand's spelling.
func statusLine(code int) string {
	text := strings.ReplaceAll(strings.ToUpper(http.StatusText(code)), " ", "_")
	return "HTTP/1.0 " + strconv.Itoa(code) + " " + text + "\r\n"
}

// fail answers without a job.
func (h *httpConn) fail(code int) {
	h.waiting, h.reading = false, false
	h.out.String(statusLine(code) + serverLine + "Content-Length: 0\r\n\r\n")
	h.out.Close()
}

// Result implements netserve.Conn.
func (h *httpConn) Result(seq uint32, r *queue.Result) {
	if seq == seqChunk && r.Err != queue.OK {
		h.spoiled = true
	}
	if seq != seqOwed || !h.waiting {
		return
	}
	switch {
	case r.Err == queue.ErrUnavailable, r.Err == queue.ErrNoSpace, r.Err == queue.ErrQueueFull:
		h.fail(http.StatusServiceUnavailable)
		return
	case r.Err != queue.OK:
		h.fail(http.StatusInternalServerError)
		return
	}
	h.id = r.ID
	if !commands[h.job.cmd].foreground {
		h.reply(cmdJobCreated, queue.Body{})
	}
}

// Event implements netserve.Conn.
func (h *httpConn) Event(e queue.Event, _ uint32, r *queue.Result) {
	if !h.waiting {
		return
	}
	h.id = r.ID
	switch e {
	case queue.EventData:
		h.keep(r.Body)
	case queue.EventComplete:
		h.reply(cmdWorkComplete, r.Body)
	case queue.EventFail, queue.EventException:
		h.data, h.size = nil, 0
		h.reply(cmdWorkFail, queue.Body{})
	}
}

// keep collects what a worker says before the end. What goes beyond the limit of a
// packet fails the request.
func (h *httpConn) keep(b queue.Body) {
	h.size += b.Len()
	if h.size > int(h.door.opts.MaxPacket) {
		h.fail(http.StatusBadGateway)
		return
	}
	h.data = append(append(h.data, bytes.Clone(b.Inline)), b.Chunks...)
}

// reply answers with what became of the job.
func (h *httpConn) reply(cmd command, body queue.Body) {
	h.waiting = false
	b := append([]byte(statusLine(http.StatusOK)), "X-Gearman-Job-Handle: "...)
	b = h.door.appendHandle(b, h.id)
	b = append(b, "\r\nX-Gearman-Command: "+commands[cmd].name+"\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(h.size+body.Len()), 10)
	h.out.Bytes(append(b, "\r\n"+serverLine+"\r\n"...))
	h.out.Body(queue.Body{Chunks: h.data})
	h.out.Body(body)
	h.out.Close()
}
