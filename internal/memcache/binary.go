package memcache

import (
	"encoding/binary"
)

// The binary protocol: a header of 24 bytes, extras, the key, the value.
const (
	binaryHeader = 24
	magicRequest = 0x80
	magicReply   = 0x81
)

// Statuses of the binary protocol.
const (
	statusNotFound     = 0x01
	statusExists       = 0x02
	statusTooLarge     = 0x03
	statusInvalid      = 0x04
	statusNotStored    = 0x05
	statusNonNumeric   = 0x06
	statusUnknown      = 0x81
	statusNoMemory     = 0x82
	statusNotSupported = 0x83
	statusBusy         = 0x85
)

// statusText goes with a status that is an error.
var statusText = map[uint16]string{
	statusNotFound:     "Not found",
	statusExists:       "Data exists for key.",
	statusTooLarge:     "Too large.",
	statusInvalid:      "Invalid arguments",
	statusNotStored:    "Not stored.",
	statusNonNumeric:   "Non-numeric server-side value for incr or decr",
	statusUnknown:      "Unknown command",
	statusNoMemory:     "Out of memory",
	statusNotSupported: "Not supported",
	statusBusy:         "Busy",
}

// opcode is what there is to know about a command of the binary protocol.
type opcode struct {
	verb    verb
	quiet   bool
	extras  [2]int // lengths that its extras may have
	key     int    // 1: it has a key, 0: none, -1: it may
	withKey bool
	touch   bool
	minus   bool
}

var (
	noExtras  = [2]int{0, 0}
	setExtras = [2]int{8, 8}
	addExtras = [2]int{20, 20}
	touchFor  = [2]int{4, 4}
	maybe     = [2]int{0, 4}
)

// opcodes are the commands of the binary protocol.
var opcodes = map[byte]opcode{
	0x00: {verb: verbGet, extras: noExtras, key: 1},
	0x01: {verb: verbSet, extras: setExtras, key: 1},
	0x02: {verb: verbAdd, extras: setExtras, key: 1},
	0x03: {verb: verbReplace, extras: setExtras, key: 1},
	0x04: {verb: verbDelete, extras: noExtras, key: 1},
	0x05: {verb: verbArithmetic, extras: addExtras, key: 1},
	0x06: {verb: verbArithmetic, extras: addExtras, key: 1, minus: true},
	0x07: {verb: verbQuit, extras: noExtras},
	0x08: {verb: verbFlushAll, extras: maybe},
	0x09: {verb: verbGet, extras: noExtras, key: 1, quiet: true},
	0x0a: {verb: verbNoop, extras: noExtras},
	0x0b: {verb: verbVersion, extras: noExtras},
	0x0c: {verb: verbGet, extras: noExtras, key: 1, withKey: true},
	0x0d: {verb: verbGet, extras: noExtras, key: 1, withKey: true, quiet: true},
	0x0e: {verb: verbAppend, extras: noExtras, key: 1},
	0x0f: {verb: verbPrepend, extras: noExtras, key: 1},
	0x10: {verb: verbStats, extras: noExtras, key: -1},
	0x11: {verb: verbSet, extras: setExtras, key: 1, quiet: true},
	0x12: {verb: verbAdd, extras: setExtras, key: 1, quiet: true},
	0x13: {verb: verbReplace, extras: setExtras, key: 1, quiet: true},
	0x14: {verb: verbDelete, extras: noExtras, key: 1, quiet: true},
	0x15: {verb: verbArithmetic, extras: addExtras, key: 1, quiet: true},
	0x16: {verb: verbArithmetic, extras: addExtras, key: 1, quiet: true, minus: true},
	0x17: {verb: verbQuit, extras: noExtras, quiet: true},
	0x18: {verb: verbFlushAll, extras: maybe, quiet: true},
	0x19: {verb: verbAppend, extras: noExtras, key: 1, quiet: true},
	0x1a: {verb: verbPrepend, extras: noExtras, key: 1, quiet: true},
	0x1c: {verb: verbTouch, extras: touchFor, key: 1, touch: true},
	0x1d: {verb: verbGet, extras: touchFor, key: 1, touch: true},
	0x1e: {verb: verbGet, extras: touchFor, key: 1, touch: true, quiet: true},
	0x23: {verb: verbGet, extras: touchFor, key: 1, touch: true, withKey: true},
	0x24: {verb: verbGet, extras: touchFor, key: 1, touch: true, withKey: true, quiet: true},
}

// parseBinary reads a request of the binary protocol up to its value, of which size
// bytes follow. It returns how many bytes that is, 0 when more of them have to
// come. status is that of an answer which refuses the request; fatal says that no
// more can be read after it.
func (r *request) parseBinary(in []byte) (used int, status uint16, fatal bool) {
	if len(in) < binaryHeader {
		return 0, 0, false
	}
	key, extras := int(binary.BigEndian.Uint16(in[2:])), int(in[4])
	body := uint64(binary.BigEndian.Uint32(in[8:]))
	*r = request{style: packets, opcode: in[1], opaque: binary.BigEndian.Uint32(in[12:]), cas: binary.BigEndian.Uint64(in[16:])}
	if in[0] != magicRequest || uint64(key+extras) > body {
		return binaryHeader, statusUnknown, true
	}
	op, known := opcodes[in[1]]
	r.verb, r.quiet = op.verb, op.quiet
	r.size = body - uint64(key+extras)
	switch {
	case !known:
		r.size = body
		return binaryHeader, statusUnknown, false
	case key > maxKey || key == 0 && op.key == 1 || key > 0 && op.key == 0 ||
		extras != op.extras[0] && extras != op.extras[1] || r.size > 0 && !r.verb.stores():
		return binaryHeader, statusInvalid, true
	}
	head := binaryHeader + extras + key
	if len(in) < head {
		return 0, 0, false
	}
	r.withKey, r.touch, r.decrement = op.withKey, op.touch, op.minus
	r.key = in[head-key : head]
	r.compare = r.cas != 0
	if r.verb == verbStats {
		r.arg = r.key
	}
	r.parseExtras(in[binaryHeader : binaryHeader+extras])
	return head, 0, false
}

func (r *request) parseExtras(in []byte) {
	switch len(in) {
	case 4: // an expiry
		r.expiry = int64(binary.BigEndian.Uint32(in))
	case 8: // flags and expiry
		r.flags = binary.BigEndian.Uint32(in)
		r.expiry = int64(binary.BigEndian.Uint32(in[4:]))
	case 20: // delta, initial value, expiry
		r.delta = binary.BigEndian.Uint64(in)
		r.initial = binary.BigEndian.Uint64(in[8:])
		expiry := binary.BigEndian.Uint32(in[16:])
		r.createExpiry = int64(expiry)
		r.create = expiry != 0xffffffff
	}
}

// appendHeader appends the header of an answer to p.
func appendHeader(b []byte, p *pending, status uint16, extras, key, body int, cas uint64) []byte {
	b = append(b, magicReply, p.opcode)
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = append(b, byte(extras), 0)
	b = binary.BigEndian.AppendUint16(b, status)
	b = binary.BigEndian.AppendUint32(b, uint32(body))
	b = binary.BigEndian.AppendUint32(b, p.opaque)
	return binary.BigEndian.AppendUint64(b, cas)
}
