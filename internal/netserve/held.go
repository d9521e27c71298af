package netserve

import "time"

// held is the output that waits for its turn to be published, oldest first.
type held struct {
	marks []mark
	head  int
}

// mark says that c's output up to end may leave when turn is published.
type mark struct {
	turn uint64
	c    *conn
	end  uint64
}

func (h *held) empty() bool { return h.head == len(h.marks) }

func (h *held) add(turn uint64, c *conn) {
	if h.head > 1024 && h.head > len(h.marks)/2 {
		n := copy(h.marks, h.marks[h.head:])
		clear(h.marks[n:])
		h.marks, h.head = h.marks[:n], 0
	}
	h.marks = append(h.marks, mark{turn, c, c.out.wrote})
}

// next takes the first mark off if its turn is published.
func (h *held) next(published uint64) (c *conn, end uint64, ok bool) {
	if h.empty() || h.marks[h.head].turn > published {
		return nil, 0, false
	}
	m := h.marks[h.head]
	h.marks[h.head] = mark{}
	if h.head++; h.empty() {
		h.marks, h.head = h.marks[:0], 0
	}
	return m.c, m.end, true
}

// waits is a list of connections in the order in which their time is up. All of
// them may wait equally long, so adding at the end keeps the order.
type waits struct {
	which       int           // of conn.places
	limit       time.Duration // 0: for ever
	first, last *conn
}

// place is a connection's place in a list of waits.
type place struct {
	prev, next *conn
	until      time.Duration // 0: not in the list
}

func (w *waits) has(c *conn) bool { return c.places[w.which].until != 0 }

// add starts c's time, or starts it anew.
func (w *waits) add(c *conn, now time.Duration) {
	w.remove(c)
	if w.limit == 0 {
		return
	}
	c.places[w.which] = place{prev: w.last, until: now + w.limit}
	if w.last != nil {
		w.last.places[w.which].next = c
	} else {
		w.first = c
	}
	w.last = c
}

func (w *waits) remove(c *conn) {
	p := c.places[w.which]
	if p.until == 0 {
		return
	}
	if p.prev != nil {
		p.prev.places[w.which].next = p.next
	} else {
		w.first = p.next
	}
	if p.next != nil {
		p.next.places[w.which].prev = p.prev
	} else {
		w.last = p.prev
	}
	c.places[w.which] = place{}
}

// due is the first connection if its time is up.
func (w *waits) due(now time.Duration) *conn {
	if w.first != nil && w.first.places[w.which].until <= now {
		return w.first
	}
	return nil
}

// next is when the first connection's time is up; 0 for never.
func (w *waits) next() time.Duration {
	if w.first == nil {
		return 0
	}
	return w.first.places[w.which].until
}
