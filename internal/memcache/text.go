package memcache

import (
	"bytes"
	"math"
)

// shape says what follows a command's word.
type shape uint8

const (
	shapeAny       shape = iota // whatever
	shapeStore                  // <key> <flags> <exptime> <bytes> [noreply]
	shapeCAS                    // <key> <flags> <exptime> <bytes> <cas> [noreply]
	shapeKeys                   // <key>*
	shapeTouch                  // <key> <exptime> [noreply]
	shapeDelta                  // <key> <delta> [noreply]
	shapeDelete                 // <key> [0] [noreply]
	shapeFlushAll               // [delay] [noreply]
	shapeKey                    // <key>
	shapeMonitor                // <key> <seconds> [max]
	shapeConfirm                // <key> <count>
	shapeLevel                  // <level> [noreply]
	shapeArg                    // [word]
	shapeMeta                   // <key> <flag>*
	shapeMetaStore              // <key> <bytes> <flag>*
)

// spec is what there is to know about a command of the text protocol.
type spec struct {
	verb    verb
	shape   shape
	withCAS bool
	touch   bool // <exptime> precedes the keys
	minus   bool
	queues  bool // exists where every key is a queue
}

// words are the commands of the text protocol.
var words = map[string]spec{
	"set":     {verb: verbSet, shape: shapeStore},
	"add":     {verb: verbAdd, shape: shapeStore},
	"replace": {verb: verbReplace, shape: shapeStore},
	"append":  {verb: verbAppend, shape: shapeStore},
	"prepend": {verb: verbPrepend, shape: shapeStore},
	"cas":     {verb: verbCAS, shape: shapeCAS},
	"get":     {verb: verbGet, shape: shapeKeys},
	"gets":    {verb: verbGet, shape: shapeKeys, withCAS: true},
	"gat":     {verb: verbGet, shape: shapeKeys, touch: true},
	"gats":    {verb: verbGet, shape: shapeKeys, withCAS: true, touch: true},
	"touch":   {verb: verbTouch, shape: shapeTouch},
	"incr":    {verb: verbArithmetic, shape: shapeDelta},
	"decr":    {verb: verbArithmetic, shape: shapeDelta, minus: true},
	"delete":  {verb: verbDelete, shape: shapeDelete},

	"flush_all": {verb: verbFlushAll, shape: shapeFlushAll},
	"stats":     {verb: verbStats, shape: shapeArg},
	"version":   {verb: verbVersion},
	"verbosity": {verb: verbVerbosity, shape: shapeLevel},
	"shutdown":  {verb: verbShutdown},
	"quit":      {verb: verbQuit},

	"mg": {verb: verbGet, shape: shapeMeta},
	"ms": {verb: verbSet, shape: shapeMetaStore},
	"md": {verb: verbDelete, shape: shapeMeta},
	"ma": {verb: verbArithmetic, shape: shapeMeta},
	"me": {verb: verbDebug, shape: shapeMeta},
	"mn": {verb: verbNoop},

	"flush":             {verb: verbFlush, shape: shapeKey, queues: true},
	"flush_expired":     {verb: verbFlushExpired, shape: shapeKey, queues: true},
	"flush_all_expired": {verb: verbFlushExpired, queues: true},
	"monitor":           {verb: verbMonitor, shape: shapeMonitor, queues: true},
	"confirm":           {verb: verbConfirm, shape: shapeConfirm, queues: true},
	"dump_stats":        {verb: verbDumpStats, queues: true},
	"dump_config":       {verb: verbReload, queues: true},
	"status":            {verb: verbStatus, shape: shapeArg, queues: true},
	"reload":            {verb: verbReload, queues: true},
}

// lookup finds a command. Kestrel does not care for upper and lower case.
func lookup(word []byte, queues bool) (spec, bool) {
	s, ok := words[string(word)]
	if !ok && queues {
		s, ok = words[string(bytes.ToLower(word))]
	}
	return s, ok && (queues || !s.queues)
}

// The complaints that no outcome stands for.
const (
	complaintUnknown  = "ERROR"
	complaintFormat   = "CLIENT_ERROR bad command line format"
	complaintChunk    = "CLIENT_ERROR bad data chunk"
	complaintExpiry   = "CLIENT_ERROR invalid exptime argument"
	complaintDelta    = "CLIENT_ERROR invalid numeric delta argument"
	complaintDelete   = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]"
	complaintTooLong  = "CLIENT_ERROR line too long"
	complaintFlag     = "CLIENT_ERROR invalid flag"
	complaintTwice    = "CLIENT_ERROR duplicate flag"
	complaintEither   = "CLIENT_ERROR invalid or duplicate flag"
	complaintToken    = "CLIENT_ERROR bad token in command line format"
	complaintMode     = "CLIENT_ERROR incorrect length for M token"
	complaintKey      = "CLIENT_ERROR error decoding key"
	complaintOpaque   = "CLIENT_ERROR opaque token too long"
	complaintFlags    = "CLIENT_ERROR options flags are too long"
	complaintShutdown = "ERROR: shutdown not enabled"
)

// tokens splits a line at its spaces into at most len(t) words.
func tokens(line []byte, t *[maxTokens][]byte) []([]byte) {
	n := 0
	for n < maxTokens {
		i := 0
		for i < len(line) && line[i] == ' ' {
			i++
		}
		line = line[i:]
		if len(line) == 0 {
			break
		}
		end := bytes.IndexByte(line, ' ')
		if end < 0 {
			end = len(line)
		}
		t[n] = line[:end]
		n++
		line = line[end:]
	}
	return t[:n]
}

// parse reads a line of the text protocol, which has lost its end, except for lists
// of keys. A complaint is "" if it is well formed.
func (r *request) parse(s spec, args [][]byte) (complaint string) {
	*r = request{verb: s.verb, withCAS: s.withCAS, decrement: s.minus}
	if n := len(args); n > 0 && string(args[n-1]) == "noreply" {
		switch s.shape {
		case shapeStore, shapeCAS, shapeTouch, shapeDelta, shapeDelete, shapeFlushAll, shapeLevel:
			r.quiet = true
			args = args[:n-1]
		}
	}
	least, most := arity(s.shape)
	if len(args) < least || len(args) > most {
		if s.shape == shapeDelete && len(args) > most {
			return complaintDelete
		}
		return complaintUnknown
	}
	switch s.shape {
	case shapeAny, shapeLevel, shapeArg, shapeFlushAll:
		return r.parseKeyless(s.shape, args)
	case shapeMeta:
		r.style = meta
		return r.parseMeta(args[0], args[1:])
	case shapeMetaStore:
		r.style = meta
		return r.parseMetaStore(args)
	}
	if r.key = args[0]; len(r.key) > maxKey {
		return complaintFormat
	}
	return r.parseArgs(s.shape, args[1:])
}

// arity is how many words may follow a command's, noreply not counted.
func arity(s shape) (least, most int) {
	switch s {
	case shapeStore:
		return 4, 5
	case shapeCAS:
		return 5, 5
	case shapeTouch, shapeDelta:
		return 2, 3
	case shapeConfirm:
		return 2, 2
	case shapeMonitor:
		return 2, 3
	case shapeDelete:
		return 1, 2
	case shapeKey:
		return 1, 1
	case shapeLevel:
		return 0, maxTokens
	case shapeMeta, shapeMetaStore:
		return 1, maxTokens
	}
	return 0, maxTokens
}

func (r *request) parseKeyless(s shape, args [][]byte) string {
	switch {
	case s == shapeLevel && len(args) == 0 && !r.quiet:
		return complaintUnknown
	case s == shapeLevel && len(args) > 0:
		if _, ok := number(args[0], math.MaxUint32); !ok {
			return complaintFormat
		}
	case s == shapeArg && len(args) > 0:
		r.arg = args[0]
	case s == shapeFlushAll && len(args) > 0:
		var ok bool
		if r.expiry, ok = integer(args[0]); !ok {
			return complaintExpiry
		}
	}
	return ""
}

// parseArgs reads what follows the key.
func (r *request) parseArgs(s shape, args [][]byte) string {
	var ok bool
	switch s {
	case shapeStore, shapeCAS:
		return r.parseStore(s, args)
	case shapeTouch:
		if r.expiry, ok = integer(args[0]); !ok {
			return complaintExpiry
		}
	case shapeDelta:
		if r.delta, ok = number(args[0], math.MaxUint64); !ok {
			return complaintDelta
		}
	case shapeDelete:
		if len(args) > 0 && string(args[0]) != "0" {
			return complaintDelete
		}
	case shapeConfirm:
		if r.n, ok = number(args[0], math.MaxInt32); !ok {
			return complaintFormat
		}
	case shapeMonitor:
		r.n, ok = number(args[0], math.MaxInt32)
		r.max = math.MaxUint64
		if ok && len(args) > 1 {
			r.max, ok = number(args[1], math.MaxInt32)
		}
		if !ok {
			return complaintFormat
		}
	}
	return ""
}

func (r *request) parseStore(s shape, args [][]byte) string {
	flags, ok := number(args[0], math.MaxUint32)
	if !ok {
		return complaintFormat
	}
	r.flags = uint32(flags)
	if r.expiry, ok = integer(args[1]); !ok {
		return complaintFormat
	}
	size, ok := integer(args[2])
	if !ok || size < 0 || size > math.MaxInt32-2 {
		return complaintFormat
	}
	r.size = uint64(size)
	if s == shapeCAS {
		if r.cas, ok = number(args[3], math.MaxUint64); !ok {
			return complaintFormat
		}
		r.compare = true
	}
	return ""
}

// number reads a decimal of at most max.
func number(b []byte, max uint64) (n uint64, ok bool) {
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 || n > (max-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(b) > 0
}

// integer reads a decimal that may be negative.
func integer(b []byte) (int64, bool) {
	digits, negative := bytes.CutPrefix(b, []byte("-"))
	n, ok := number(digits, math.MaxInt64)
	if negative {
		return -int64(n), ok
	}
	return int64(n), ok
}
