package memcache

import (
	"bytes"
	"math"
	"time"
)

// A key names a queue. Three bytes mean more: a slash begins options, a plus stands
// between a queue and its child, and a percent sign before two hexadecimal digits
// stands for the byte they make, so that any queue has a key.

// target is the queue that a key means.
type target struct {
	name   []byte
	shown  []byte // the key without its options, as the client wrote it
	parent []byte // the queue it is a child of; empty: none
	// Options of a get.
	wait                     time.Duration
	open, close, abort, peek bool
}

// queueKey reads what a key of a queue means, prefix bytes of which are the door's
// prefix. ok is false when it names none or its options contradict each other.
func queueKey(key []byte, prefix int) (t target, ok bool) {
	end := len(key)
	if slash := bytes.IndexByte(key[prefix:], '/'); slash >= 0 {
		end = prefix + slash
	}
	t.shown = key[:end]
	raw := key[prefix:end]
	t.name, ok = unescape(raw), true
	if plus := bytes.IndexByte(raw, '+'); plus > 0 && plus < len(raw)-1 {
		t.parent = unescape(raw[:plus])
	}
	for rest := key[end:]; len(rest) > 0 && ok; {
		option := rest[1:]
		rest = nil
		if slash := bytes.IndexByte(option, '/'); slash >= 0 {
			option, rest = option[:slash], option[slash:]
		}
		ok = t.option(option)
	}
	alone := t.peek || t.abort
	return t, ok && len(t.name) > 0 && !(alone && (t.open || t.close)) && !(t.peek && t.abort)
}

// option reads one of the words behind a queue's name. Those it does not know it
// passes over.
func (t *target) option(word []byte) bool {
	switch string(word) {
	case "open":
		t.open = true
	case "close":
		t.close = true
	case "abort":
		t.abort = true
	case "peek":
		t.peek = true
	}
	if ms, ok := bytes.CutPrefix(word, []byte("t=")); ok {
		n, ok := number(ms, math.MaxInt32)
		t.wait = time.Duration(n) * time.Millisecond
		return ok
	}
	return true
}

// unescape replaces %XX by the byte it stands for. Without one it returns b itself.
func unescape(b []byte) []byte {
	if bytes.IndexByte(b, '%') < 0 {
		return b
	}
	name := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '%' && i+2 < len(b) {
			if high, low := unhex(b[i+1]), unhex(b[i+2]); high < 16 && low < 16 {
				c = high<<4 | low
				i += 2
			}
		}
		name = append(name, c)
	}
	return name
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// escape writes a queue's name as a key. A plus stays as it is: it came from a key,
// or names no child.
func escape(name string) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(name))
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == 0x7f || c == '%' || c == '/' {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}
