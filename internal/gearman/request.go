package gearman

import (
	"bytes"
	"encoding/binary"
)

// headerSize is the length of a packet's header in bytes: a magic, the packet's type
// and the length of what follows, both with the high byte first.
const headerSize = 12

const (
	magicRequest  = "\x00REQ"
	magicResponse = "\x00RES"
)

// header is a packet's header, read.
type header struct {
	cmd      command
	size     uint32 // bytes that follow
	response bool   // a packet as only a server sends it
}

// parseHeader reads the first headerSize bytes of in. It is not ok when they begin no
// packet.
func parseHeader(in []byte) (h header, ok bool) {
	h.response = string(in[:4]) == magicResponse
	if !h.response && string(in[:4]) != magicRequest {
		return h, false
	}
	h.cmd = command(binary.BigEndian.Uint32(in[4:]))
	h.size = binary.BigEndian.Uint32(in[8:])
	return h, h.cmd > cmdText && h.cmd < commandCount
}

// maxArgs is the most arguments a packet has.
const maxArgs = 7

// request is a packet, read. It knows nothing of the connection it came over; its
// parts are parts of the input, except data that came in pieces.
type request struct {
	cmd    command
	arg    [maxArgs][]byte
	data   []byte   // when none can follow, the last argument with what is behind a NUL
	chunks [][]byte // more of the data, in pieces of our own
	upload uint64   // or its name, when it was passed on as it came
	digest []byte   // of data that was passed on, when that is the job's unique key
}

// parse reads what follows the header of a packet, and returns how much of it the
// arguments are. It is not ok when there are fewer than there have to be.
func (r *request) parse(cmd command, body []byte) (used int, ok bool) {
	*r = request{cmd: cmd}
	s := &commands[cmd]
	for i := range s.args {
		rest := body[used:]
		end := bytes.IndexByte(rest, 0)
		if i == s.args-1 && !s.data {
			// It ends with the packet; a NUL may be there, too.
			if end < 0 {
				end = len(rest)
			}
			r.arg[i], r.data = rest[:end], rest
			return len(body), true
		}
		if end < 0 {
			return used, false
		}
		r.arg[i] = rest[:end]
		used += end + 1
	}
	if s.data {
		r.data = body[used:]
	}
	return used, true
}

// leadingInt reads the number a text begins with as C does: spaces, a sign, digits;
// anything else is 0, and what is too large is the largest there is.
func leadingInt(b []byte) int64 {
	const most = 1<<63 - 1
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] >= '\t' && b[i] <= '\r') {
		i++
	}
	negative := i < len(b) && b[i] == '-'
	if negative || i < len(b) && b[i] == '+' {
		i++
	}
	n := int64(0)
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		d := int64(b[i] - '0')
		if n > (most-d)/10 {
			n = most
			break
		}
		n = n*10 + d
	}
	if negative {
		return -n
	}
	return n
}
