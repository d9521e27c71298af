package memcache

import (
	"bytes"
	"math"
	"strconv"
	"sync"

	"github.com/millrace/millrace/internal/queue"
)

// area is the key-value area: items in memory, bounded in size. The item used least
// recently goes first. It is safe for concurrent use.
type area struct {
	mu      sync.Mutex
	items   map[string]*item
	recent  item // ring: recent.next was used last, recent.prev is the next to go
	size    int64
	limit   int64
	maxItem int64
	now     func() int64 // seconds since 1970
	lastCAS uint64
	flushAt int64 // when what is there now goes; 0: never

	total, evictions, outdated uint64
}

// item is a key with its value, which never changes: a new value is a new slice, so
// that answers may hold it.
type item struct {
	key        string
	value      []byte
	flags      uint32
	expiry     int64 // seconds since 1970; 0: never
	cas        uint64
	used       int64 // when it was, in seconds since 1970
	fetched    bool
	stale      bool
	won        bool // somebody was told to renew it
	prev, next *item
}

// itemOverhead is what an item takes beside its key and value, in bytes, roughly.
const itemOverhead = 160

func newArea(limit, maxItem int64, now func() int64) *area {
	a := &area{items: map[string]*item{}, limit: limit, maxItem: maxItem, now: now}
	a.recent.prev, a.recent.next = &a.recent, &a.recent
	return a
}

// found is what an answer tells of an item.
type found struct {
	body        queue.Body
	flags       uint32
	cas         uint64
	number      uint64 // what an incr made of it
	ttl, newTTL int64  // seconds left before and after the request; -1: for ever
	idle        int64  // seconds since it was used
	hit         bool   // it had been fetched before
	created     bool   // it was not there before
	won         bool   // who asks is to renew it
	wonBefore   bool   // somebody else is
	stale       bool
	size        int64
}

// fits says whether a value of size bytes under key may be stored.
func (a *area) fits(key []byte, size uint64) bool {
	return size <= math.MaxInt32 && cost(len(key), int(size)) <= a.maxItem
}

func cost(key, value int) int64 { return int64(key) + int64(value) + itemOverhead }

// deadline reads an expiry as memcached does: up to thirty days from now, or a time
// since 1970, in seconds; 0: never, negative: at once.
func deadline(expiry, now int64) int64 {
	const month = 30 * 24 * 60 * 60
	switch {
	case expiry == 0:
		return 0
	case expiry < 0:
		return 1
	case expiry > month:
		return expiry
	}
	return now + expiry
}

// do runs a request for the area. value is what came with it; the area keeps it.
func (a *area) do(r *request, value []byte) (outcome, found) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if a.flushAt != 0 && now >= a.flushAt {
		a.flushAt = 0
		a.clear()
	}
	it := a.find(r.key, now)
	switch r.verb {
	case verbGet:
		return a.get(r, it, now)
	case verbDebug:
		if it == nil {
			return outMiss, found{}
		}
		return outHit, it.found(now)
	case verbTouch:
		if it == nil {
			return outNotFound, found{}
		}
		it.expiry = deadline(r.expiry, now)
		a.fetch(it, now)
		return outTouched, it.found(now)
	case verbDelete:
		return a.delete(r, it, now), found{}
	case verbArithmetic:
		return a.arithmetic(r, it, now)
	}
	return a.store(r, it, value, now)
}

func (a *area) get(r *request, it *item, now int64) (outcome, found) {
	created := it == nil && r.create
	if created {
		it = a.add(r.key, nil, 0, deadline(r.createExpiry, now), now)
	}
	if it == nil {
		return outMiss, found{}
	}
	f := it.found(now)
	switch {
	case created:
		f.ttl, f.won, f.created = -1, true, true
	case r.recache && !it.won && it.expiry != 0 && it.expiry < deadline(r.recacheTTL, now):
		f.won = true
	}
	if r.touch {
		it.expiry = deadline(r.expiry, now)
		f.newTTL = it.ttl(now)
	}
	f.won = f.won || r.style == meta && it.stale && !it.won
	it.won = it.won || f.won
	if !r.noBump {
		a.fetch(it, now)
	}
	return outHit, f
}

func (a *area) store(r *request, old *item, value []byte, now int64) (outcome, found) {
	markStale := false
	switch {
	case r.verb == verbAdd && (!r.compare || r.style == meta):
		if old != nil {
			a.bump(old)
			return outNotStored, found{}
		}
	case old == nil && (r.verb == verbReplace || r.verb == verbAppend || r.verb == verbPrepend) && !r.swaps():
		return outNotStored, found{}
	case r.compare && old == nil:
		return outNotFound, found{}
	case r.compare && r.cas != old.cas && (r.cas != 0 || r.swaps()):
		if markStale = r.stale && r.swaps() && r.cas != 0 && r.cas < old.cas; !markStale {
			return outExists, found{}
		}
	}
	flags, expiry := r.flags, deadline(r.expiry, now)
	switch r.verb {
	case verbAppend:
		value, flags, expiry = append(bytes.Clone(old.value), value...), old.flags, old.expiry
	case verbPrepend:
		value, flags, expiry = append(value, old.value...), old.flags, old.expiry
	}
	if cost(len(r.key), len(value)) > a.maxItem {
		return outNotStored, found{} // only what is appended to: fits was asked for the rest
	}
	if old != nil {
		a.remove(old)
	}
	it := a.add(r.key, value, flags, expiry, now)
	it.stale = markStale
	return outStored, it.found(now)
}

// swaps says whether a request that compares is one that replaces the value.
func (r *request) swaps() bool {
	return r.compare && r.verb != verbAppend && r.verb != verbPrepend
}

func (a *area) arithmetic(r *request, it *item, now int64) (outcome, found) {
	if it == nil {
		if !r.create {
			return outNotFound, found{}
		}
		it = a.add(r.key, strconv.AppendUint(nil, r.initial, 10), 0, deadline(r.createExpiry, now), now)
		f := it.found(now)
		f.number, f.ttl, f.created = r.initial, -1, true
		return outNumber, f
	}
	n, ok := numeric(it.value)
	switch {
	case len(it.value) == 0:
		return outNonNumeric, found{}
	case r.cas != 0 && r.cas != it.cas:
		return outExists, found{}
	case !ok:
		return outNonNumeric, found{}
	case !r.decrement:
		n += r.delta
	case n < r.delta:
		n = 0
	default:
		n -= r.delta
	}
	value := strconv.AppendUint(make([]byte, 0, max(20, len(it.value))), n, 10)
	for len(value) < len(it.value) {
		value = append(value, ' ') // as memcached: a number never gets shorter
	}
	if len(value) > len(it.value) { // a new item, in memcached
		a.size += int64(len(value) - len(it.value))
		it.fetched, it.stale, it.won = false, false, false
	}
	it.value, it.cas = value, a.nextCAS()
	f := it.found(now)
	f.number = n
	if r.touch {
		it.expiry = deadline(r.expiry, now)
		f.newTTL = it.ttl(now)
	}
	a.bump(it)
	return outNumber, f
}

// numeric reads a value as memcached does for incr: digits, and perhaps a space and
// whatever follows it.
func numeric(b []byte) (uint64, bool) {
	if space := bytes.IndexAny(b, " \t\r\n\v\f"); space > 0 {
		b = b[:space]
	}
	return number(b, math.MaxUint64)
}

func (a *area) delete(r *request, it *item, now int64) outcome {
	switch {
	case it == nil:
		return outNotFound
	case r.compare && r.cas != it.cas:
		return outExists
	case r.stale:
		it.stale, it.won, it.cas = true, false, a.nextCAS()
		if r.touch {
			it.expiry = deadline(r.expiry, now)
		}
	default:
		a.remove(it)
	}
	return outDeleted
}

// drop removes a key whose new value was refused: the old one is out of date.
func (a *area) drop(key []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if it := a.items[string(key)]; it != nil {
		a.remove(it)
	}
}

// flush removes everything that is there: at once, or after a delay.
func (a *area) flush(delay int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lastCAS++ // as memcached counts
	if delay > 0 {
		a.flushAt = deadline(delay, a.now())
		return
	}
	a.clear()
}

func (a *area) clear() {
	clear(a.items)
	a.recent.prev, a.recent.next = &a.recent, &a.recent
	a.size = 0
}

// find returns the item of a key, nil when there is none or its time has passed.
func (a *area) find(key []byte, now int64) *item {
	it := a.items[string(key)]
	if it != nil && it.expiry != 0 && it.expiry <= now {
		a.outdated++
		a.remove(it)
		return nil
	}
	return it
}

// add makes a new item, for which others may have to go.
func (a *area) add(key, value []byte, flags uint32, expiry, now int64) *item {
	it := &item{key: string(key), value: value, flags: flags, expiry: expiry, cas: a.nextCAS(), used: now}
	a.size += cost(len(key), len(value))
	for a.size > a.limit && a.recent.prev != &a.recent {
		a.evictions++
		a.remove(a.recent.prev)
	}
	a.items[it.key] = it
	a.link(it)
	a.total++
	return it
}

func (a *area) remove(it *item) {
	delete(a.items, it.key)
	it.prev.next, it.next.prev = it.next, it.prev
	a.size -= cost(len(it.key), len(it.value))
}

// link puts an item at the front.
func (a *area) link(it *item) {
	it.prev, it.next = &a.recent, a.recent.next
	it.prev.next, it.next.prev = it, it
}

// fetch notes that a client was given an item.
func (a *area) fetch(it *item, now int64) {
	it.fetched, it.used = true, now
	a.bump(it)
}

// bump moves an item to the front.
func (a *area) bump(it *item) {
	it.prev.next, it.next.prev = it.next, it.prev
	a.link(it)
}

func (a *area) nextCAS() uint64 {
	a.lastCAS++
	return a.lastCAS
}

func (it *item) ttl(now int64) int64 {
	if it.expiry == 0 {
		return -1
	}
	return max(it.expiry-now, 0)
}

func (it *item) found(now int64) found {
	ttl := it.ttl(now)
	return found{
		body: it.body(), flags: it.flags, cas: it.cas, ttl: ttl, newTTL: ttl, idle: now - it.used,
		hit: it.fetched, wonBefore: it.won, stale: it.stale, size: cost(len(it.key), len(it.value)),
	}
}

// shareFrom is the length of a value, in bytes, from which answers hold it rather
// than copy it.
const shareFrom = 8 << 10

func (it *item) body() queue.Body {
	if len(it.value) >= shareFrom {
		return queue.Body{Chunks: [][]byte{it.value}}
	}
	return queue.Body{Inline: it.value}
}

// areaStats are the area's figures.
type areaStats struct {
	items, bytes, limit        uint64
	total, evictions, outdated uint64
}

func (a *area) stats() areaStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return areaStats{
		items: uint64(len(a.items)), bytes: uint64(a.size), limit: uint64(a.limit),
		total: a.total, evictions: a.evictions, outdated: a.outdated,
	}
}
