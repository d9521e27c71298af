package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// record is one decision: what happens to facts, with nothing left to find out.
// Each kind reads some of the fields.
type record struct {
	kind recordKind

	id    JobID
	queue []byte
	to    *Queue // the queue, where it is known; not written
	body  []byte

	created, due, delay, ttr int64 // ns, see job
	expiresAt                int64
	pri                      uint32
	buried                   bool
	releases, buries, kicks  uint32 // new values

	upload   uploadKey
	more     *More
	source   Source
	settings *Settings
	local    bool        // about a volatile job: not written
	stored   *storedBody // of a snapshot: its body; not written
}

// uploadKey names a body that arrives in chunks.
type uploadKey struct {
	session SessionID
	upload  uint64
}

// recordKind is a byte on disk. Kinds from 128 on may be skipped by a version
// that does not know them; the others must be understood.
type recordKind byte

// The kinds, with what follows the kind byte on disk. uv is an unsigned varint;
// bytes is a length (uv) and that many bytes.
const (
	recordNone recordKind = iota
	// recordPut: id uv, fields uv, queue bytes, pri uv, delay uv, ttr uv, then for each
	// bit set in fields, lowest first, its values; the body is the rest.
	recordPut
	recordChunk      // session uv, upload uv; the data is the rest
	recordDropUpload // session uv, upload uv
	recordDelete     // id uv
	recordExpire     // id uv; a delete by time
	recordRelease    // id uv, pri uv, delay uv, due uv, releases uv
	recordBury       // id uv, pri uv, due uv, buries uv
	recordKick       // id uv, kicks uv
	recordPause      // queue bytes, until uv, length uv
	recordEpoch      // nothing: the batch's header says which
	recordMove       // id uv, queue bytes; the job no longer expires
	recordConfigure  // queue bytes, keep uv, max uv three times, expire to bytes, parent bytes
	recordVolatile   // id uv: ids of volatile jobs below it may have been given out
	recordKinds
)

// Bits of a recordPut's fields: values that most puts do not need.
const (
	putDue         = 1 << iota // due uv: the job is delayed
	putExpires                 // expiresAt uv
	putUpload                  // session uv, upload uv: the body is that upload
	putImported                // created uv, buried uv, releases uv, buries uv, kicks uv
	putSource                  // source uv
	putUnique                  // unique bytes
	putReducer                 // reducer bytes
	putClientFlags             // flags uv
	putReadyAt                 // wall time uv: the job is delayed until then
	putAttempts                // attempts uv
	putKnownBits   = 1<<iota - 1
)

// errCorrupt is for records that no version writes.
var errCorrupt = errors.New("queue: malformed record")

// appendRecord encodes r behind b, as a length (uv) and the kind with its fields.
func appendRecord(b []byte, r *record) []byte {
	// The length goes before the record and is known after it: room for three bytes,
	// enough for any record (1 MiB), and the varint is written with padding.
	at := len(b)
	b = append(b, 0, 0, 0, byte(r.kind))
	uv := binary.AppendUvarint
	switch r.kind {
	case recordPut:
		b = appendPut(b, r)
	case recordChunk:
		b = uv(uv(b, uint64(r.upload.session)), r.upload.upload)
		b = append(b, r.body...)
	case recordDropUpload:
		b = uv(uv(b, uint64(r.upload.session)), r.upload.upload)
	case recordDelete, recordExpire, recordVolatile:
		b = uv(b, uint64(r.id))
	case recordMove:
		b = appendBytes(uv(b, uint64(r.id)), r.queue)
	case recordRelease:
		b = uv(uv(b, uint64(r.id)), uint64(r.pri))
		b = uv(uv(uv(b, uint64(r.delay)), uint64(r.due)), uint64(r.releases))
	case recordBury:
		b = uv(uv(b, uint64(r.id)), uint64(r.pri))
		b = uv(uv(b, uint64(r.due)), uint64(r.buries))
	case recordKick:
		b = uv(uv(b, uint64(r.id)), uint64(r.kicks))
	case recordPause:
		b = appendBytes(b, r.queue)
		b = uv(uv(b, uint64(r.due)), uint64(r.delay))
	case recordConfigure:
		b = appendSettings(appendBytes(b, r.queue), r.settings)
	}
	n := len(b) - at - 3
	b[at], b[at+1], b[at+2] = byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)
	return b
}

func appendPut(b []byte, r *record) []byte {
	uv := binary.AppendUvarint
	fields := r.putFields()
	b = uv(uv(b, uint64(r.id)), fields)
	b = appendBytes(b, r.queue)
	b = uv(uv(uv(b, uint64(r.pri)), uint64(r.delay)), uint64(r.ttr))
	if fields&putDue != 0 {
		b = uv(b, uint64(r.due))
	}
	if fields&putExpires != 0 {
		b = uv(b, uint64(r.expiresAt))
	}
	if fields&putUpload != 0 {
		b = uv(uv(b, uint64(r.upload.session)), r.upload.upload)
	}
	if fields&putImported != 0 {
		b = uv(uv(b, uint64(r.created)), boolBit(r.buried))
		b = uv(uv(uv(b, uint64(r.releases)), uint64(r.buries)), uint64(r.kicks))
	}
	if fields&putSource != 0 {
		b = uv(b, uint64(r.source))
	}
	if r.more != nil {
		b = appendMore(b, fields, r.more)
	}
	return append(b, r.body...)
}

// putFields says which values beyond those of every put r has.
func (r *record) putFields() (fields uint64) {
	fields = putDue*boolBit(r.due != 0) |
		putExpires*boolBit(r.expiresAt != 0) |
		putUpload*boolBit(r.upload.upload != 0) |
		putImported*boolBit(r.created != 0) |
		putSource*boolBit(r.source != 0)
	if m := r.more; m != nil {
		fields |= putUnique*boolBit(len(m.Unique) > 0) |
			putReducer*boolBit(len(m.Reducer) > 0) |
			putClientFlags*boolBit(m.ClientFlags != 0) |
			putReadyAt*boolBit(m.ReadyAt != 0) |
			putAttempts*boolBit(m.Attempts != 0)
	}
	return fields
}

func appendMore(b []byte, fields uint64, m *More) []byte {
	if fields&putUnique != 0 {
		b = appendBytes(b, m.Unique)
	}
	if fields&putReducer != 0 {
		b = appendBytes(b, m.Reducer)
	}
	if fields&putClientFlags != 0 {
		b = binary.AppendUvarint(b, uint64(m.ClientFlags))
	}
	if fields&putReadyAt != 0 {
		b = binary.AppendUvarint(b, uint64(m.ReadyAt))
	}
	if fields&putAttempts != 0 {
		b = binary.AppendUvarint(b, uint64(m.Attempts))
	}
	return b
}

func appendSettings(b []byte, x *Settings) []byte {
	b = binary.AppendUvarint(b, boolBit(x.Keep))
	for _, n := range x.Max {
		b = binary.AppendUvarint(b, n)
	}
	return appendBytes(appendBytes(b, []byte(x.ExpireTo)), []byte(x.Parent))
}

func appendBytes(b, x []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(x))), x...)
}

func boolBit(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

// cursor reads fields; after the first failure it reads zeros.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) uv() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

// time reads a time or a duration, which is never negative.
func (c *cursor) time() int64 {
	v := c.uv()
	if v > uint64(never) {
		c.bad = true
		return 0
	}
	return int64(v)
}

func (c *cursor) u32() uint32 {
	v := c.uv()
	if v > 1<<32-1 {
		c.bad = true
		return 0
	}
	return uint32(v)
}

func (c *cursor) bytes() []byte {
	n := c.uv()
	if n > uint64(len(c.b)) {
		c.bad = true
		return nil
	}
	x := c.b[:n]
	c.b = c.b[n:]
	return x
}

func (c *cursor) rest() []byte {
	x := c.b
	c.b = nil
	return x
}

func (c *cursor) uploadKey() uploadKey {
	return uploadKey{SessionID(c.uv()), c.uv()}
}

// decodeRecord reads what appendRecord wrote, without the length. Its slices are
// parts of b. ok is false for a kind that may be skipped.
func decodeRecord(b []byte) (r record, ok bool, err error) {
	if len(b) == 0 {
		return r, false, errCorrupt
	}
	r.kind = recordKind(b[0])
	switch {
	case r.kind >= 128:
		return r, false, nil
	case r.kind >= recordKinds || r.kind == recordNone:
		return r, false, fmt.Errorf("queue: a record of kind %d, which this version does not know: start the version that wrote it, or a newer one", r.kind)
	}
	c := cursor{b: b[1:]}
	switch r.kind {
	case recordPut:
		c.put(&r)
	case recordChunk:
		r.upload = c.uploadKey()
		r.body = c.rest()
	case recordDropUpload:
		r.upload = c.uploadKey()
	case recordDelete, recordExpire, recordVolatile:
		r.id = JobID(c.uv())
	case recordMove:
		r.id, r.queue = JobID(c.uv()), c.bytes()
	case recordRelease:
		r.id, r.pri = JobID(c.uv()), c.u32()
		r.delay, r.due, r.releases = c.time(), c.time(), c.u32()
	case recordBury:
		r.id, r.pri = JobID(c.uv()), c.u32()
		r.due, r.buries = c.time(), c.u32()
	case recordKick:
		r.id, r.kicks = JobID(c.uv()), c.u32()
	case recordPause:
		r.queue = c.bytes()
		r.due, r.delay = c.time(), c.time()
	case recordConfigure:
		r.queue = c.bytes()
		r.settings = c.settings()
	}
	if c.bad || len(c.b) > 0 {
		return r, false, errCorrupt
	}
	return r, true, nil
}

func (c *cursor) put(r *record) {
	r.id = JobID(c.uv())
	fields := c.uv()
	if fields&^putKnownBits != 0 || r.id == 0 || r.id >= MaxJobID {
		c.bad = true
		return
	}
	r.queue = c.bytes()
	r.pri, r.delay, r.ttr = c.u32(), c.time(), c.time()
	if fields&putDue != 0 {
		r.due = c.time()
	}
	if fields&putExpires != 0 {
		r.expiresAt = c.time()
	}
	if fields&putUpload != 0 {
		r.upload = c.uploadKey()
	}
	if fields&putImported != 0 {
		r.created, r.buried = c.time(), c.uv() != 0
		r.releases, r.buries, r.kicks = c.u32(), c.u32(), c.u32()
	}
	if fields&putSource != 0 {
		r.source = Source(c.uv())
	}
	if fields >= putUnique {
		r.more = c.more(fields)
	}
	r.body = c.rest()
}

func (c *cursor) more(fields uint64) *More {
	m := new(More)
	if fields&putUnique != 0 {
		m.Unique = c.bytes()
	}
	if fields&putReducer != 0 {
		m.Reducer = c.bytes()
	}
	if fields&putClientFlags != 0 {
		m.ClientFlags = c.u32()
	}
	if fields&putReadyAt != 0 {
		m.ReadyAt = c.time()
	}
	if fields&putAttempts != 0 {
		m.Attempts = c.u32()
	}
	return m
}

func (c *cursor) settings() *Settings {
	x := &Settings{Keep: c.uv() != 0}
	for i := range x.Max {
		x.Max[i] = c.uv()
	}
	x.ExpireTo, x.Parent = string(c.bytes()), string(c.bytes())
	return x
}
