package queue

import "slices"

const (
	idPageBits = 10
	idNodeBits = 10
	idPageSize = 1 << idPageBits
	idNodeSize = 1 << idNodeBits
)

// idTable finds a job by its id. Ids rise for ever while the living ones are few
// or dense, so it is a map of nodes of pages: a few bytes and two steps for each
// job, and nothing for the ids that are gone.
//
// A page is also the unit of a snapshot: it remembers when the facts of its jobs
// and the set of its bodies last changed.
type idTable struct {
	nodes  map[uint64]*idNode
	last   *idNode // of the previous look-up
	lastN  uint64
	newest uint64 // number of the highest page; it is kept when empty, as it is filled next
	gen    uint32 // of pages, as in slab
	views  int
}

type idNode struct {
	pages [idNodeSize]*idPage
	used  int
}

type idPage struct {
	slots [idPageSize]slot
	used  int
	gen   uint32
	// Generations of snapshots (State.snapshots) in which the page's jobs changed, and
	// in which a body was added.
	changed, added uint64
	// Bytes of bodies alive, and in the section a snapshot last wrote.
	alive, written uint64
}

func (t *idTable) node(n uint64) *idNode {
	if t.last != nil && t.lastN == n {
		return t.last
	}
	node := t.nodes[n]
	if node != nil {
		t.last, t.lastN = node, n
	}
	return node
}

// get returns the job with an id, or 0.
func (t *idTable) get(id JobID) slot {
	if p := t.find(uint64(id) >> idPageBits); p != nil {
		return p.slots[id%idPageSize]
	}
	return 0
}

// find returns page n, or nil.
func (t *idTable) find(n uint64) *idPage {
	if node := t.node(n >> idNodeBits); node != nil {
		return node.pages[n%idNodeSize]
	}
	return nil
}

// page returns the page of an id for writing, making it when there is none.
func (t *idTable) page(id JobID) *idPage {
	n := uint64(id) >> (idPageBits + idNodeBits)
	node := t.node(n)
	if node == nil {
		if t.nodes == nil {
			t.nodes = map[uint64]*idNode{}
		}
		node = new(idNode)
		t.nodes[n] = node
	}
	at := &node.pages[uint64(id)>>idPageBits%idNodeSize]
	p := *at
	switch {
	case p == nil:
		p = new(idPage)
		node.used++
	case p.gen == t.gen:
		return p
	case t.views > 0:
		clone := *p
		p = &clone
	}
	p.gen = t.gen
	*at = p
	return p
}

// set makes id mean the job at slot at.
func (t *idTable) set(id JobID, at slot) *idPage {
	p := t.page(id)
	p.slots[id%idPageSize] = at
	p.used++
	if n := uint64(id) >> idPageBits; n > t.newest {
		before := t.newest
		t.newest = n
		t.dropEmpty(before)
	}
	return p
}

// remove forgets an id that is in the table.
func (t *idTable) remove(id JobID) {
	p := t.page(id)
	p.slots[id%idPageSize] = 0
	p.used--
	if n := uint64(id) >> idPageBits; p.used == 0 && n != t.newest {
		t.dropEmpty(n)
	}
}

// dropEmpty lets go of page n if it holds nothing.
func (t *idTable) dropEmpty(n uint64) {
	node := t.node(n >> idNodeBits)
	if node == nil || node.pages[n%idNodeSize] == nil || node.pages[n%idNodeSize].used > 0 {
		return
	}
	node.pages[n%idNodeSize] = nil
	if node.used--; node.used == 0 {
		delete(t.nodes, n>>idNodeBits)
		t.last = nil
	}
}

// numberedPage is a page and the number it has: id >> idPageBits.
type numberedPage struct {
	n uint64
	*idPage
}

// view returns the pages as they are now, in order; they stay so until thaw.
func (t *idTable) view() []numberedPage {
	t.gen++
	t.views++
	return t.sorted()
}

func (t *idTable) sorted() []numberedPage {
	var nodes []uint64
	for n := range t.nodes {
		nodes = append(nodes, n)
	}
	slices.Sort(nodes)
	var all []numberedPage
	for _, n := range nodes {
		for i, p := range t.nodes[n].pages {
			if p != nil {
				all = append(all, numberedPage{n<<idNodeBits | uint64(i), p})
			}
		}
	}
	return all
}

func (t *idTable) thaw() { t.views-- }
