package memcache

import (
	"encoding/base64"
	"math"
)

// maxOpaque is how long the token of an O flag may be, the flag included, in bytes.
const maxOpaque = 32

// parseMetaStore reads an ms: key, length, flags.
func (r *request) parseMetaStore(args [][]byte) string {
	if len(args) < 2 {
		return complaintFormat
	}
	size, ok := integer(args[1])
	if !ok || size < 0 || size > math.MaxInt32-2 {
		return complaintFormat
	}
	r.size = uint64(size)
	complaint := r.parseMeta(args[0], args[2:])
	r.follows = complaint != "" && len(args[0]) <= maxKey
	return complaint
}

// parseMeta reads the key and the flags of a meta command. It keeps the text of the
// flags: some are answered in the order they came in.
func (r *request) parseMeta(key []byte, flags [][]byte) string {
	r.key, r.delta = key, 1
	switch {
	case len(key) > maxKey:
		return complaintFormat
	case r.verb == verbDebug:
		if len(flags) > 0 && string(flags[0]) == "b" {
			return r.decodeKey()
		}
		return ""
	case len(flags) > maxTokens-6:
		return complaintFlags
	}
	if complaint := r.metaFlags(flags); complaint != "" {
		return complaint
	}
	if len(flags) > 0 { // parts of one line: from the first to the end of the last
		first, last := flags[0], flags[len(flags)-1]
		r.meta = first[:cap(first)-cap(last)+len(last)]
	}
	return ""
}

// metaFlags reads the flags. Of several complaints it returns the one that memcached
// does: the last about a token, unless one is about the flags themselves.
func (r *request) metaFlags(flags [][]byte) (complaint string) {
	var seen [128]bool
	var mode, opaque byte
	for _, f := range flags {
		if f[0] > 126 || seen[f[0]] {
			return r.vague(complaintTwice)
		}
		seen[f[0]] = true
		c := r.metaFlag(f[0], f[1:])
		switch {
		case c == complaintFlag:
			return r.vague(c)
		case c != "" && (c != complaintFormat || complaint == ""):
			complaint = c
		case f[0] == 'M' && c == "":
			mode = f[1]
		case f[0] == 'O':
			opaque = byte(min(len(f), maxOpaque+1))
		}
	}
	switch {
	case complaint != "":
		return r.vague(complaint)
	case mode != 0:
		complaint = r.metaMode(mode)
	}
	if complaint == "" && opaque > maxOpaque {
		complaint = complaintOpaque
	}
	return complaint
}

// vague is a complaint as memcached words it: md and ma are not told the difference.
func (r *request) vague(complaint string) string {
	if r.verb == verbDelete || r.verb == verbArithmetic {
		switch complaint {
		case complaintTwice, complaintFlag, complaintToken, complaintFormat, complaintMode, complaintKey:
			return complaintEither
		}
	}
	return complaint
}

// metaFlag reads one flag of a meta command.
func (r *request) metaFlag(flag byte, token []byte) string {
	ok := true
	switch flag {
	case 'k', 's', 't', 'c', 'f', 'l', 'h', 'O', 'P', 'L':
	case 'b':
		return r.decodeKey()
	case 'q':
		r.quiet = true
	case 'v':
		r.value = true
	case 'u':
		r.noBump = true
	case 'I':
		r.stale = true
	case 'N':
		r.create = true
		r.createExpiry, ok = integer(token)
	case 'T':
		r.touch = true
		r.expiry, ok = integer(token)
	case 'R':
		r.recache = true
		r.recacheTTL, ok = integer(token)
	case 'F':
		var n uint64
		if n, ok = number(token, math.MaxUint32); !ok {
			return complaintFormat
		}
		r.flags = uint32(n)
	case 'C':
		r.compare = true
		r.cas, ok = number(token, math.MaxUint64)
	case 'J':
		r.initial, ok = number(token, math.MaxUint64)
	case 'D':
		r.delta, ok = number(token, math.MaxUint64)
	case 'M':
		if len(token) != 1 {
			return complaintMode
		}
	default:
		return complaintFlag
	}
	if !ok {
		return complaintToken
	}
	return ""
}

// metaMode reads the M flag, which makes another command of an ms or ma.
func (r *request) metaMode(mode byte) string {
	if r.verb == verbArithmetic {
		switch mode {
		case 'I', '+':
			return ""
		case 'D', '-':
			r.decrement = true
			return ""
		}
		return "CLIENT_ERROR invalid mode for ma M token"
	}
	verbs := map[byte]verb{'S': verbSet, 'E': verbAdd, 'A': verbAppend, 'P': verbPrepend, 'R': verbReplace}
	if r.verb == verbSet {
		if r.verb = verbs[mode]; r.verb == verbNone {
			r.verb = verbSet
			return "CLIENT_ERROR invalid mode for ms M token"
		}
	}
	return ""
}

// decodeKey replaces the key by the bytes it stands for.
func (r *request) decodeKey() string {
	key, err := base64.StdEncoding.AppendDecode(nil, r.key)
	if err != nil || len(key) == 0 {
		return complaintKey
	}
	r.key, r.binaryKey = key, true
	return ""
}
