package queue

// slot is the index of a job in the slab of jobs; 0 is none.
type slot = uint32

// job is one job. It holds no pointer, and what few jobs have is in a rare.
type job struct {
	// Facts.
	id      JobID
	body    bodyRef
	size    uint32 // of the body
	queue   uint32 // index of its Queue
	created int64  // engine's clock, ns
	delay   int64  // ns, as last given
	ttr     int64  // ns
	due     int64  // engine's clock at which it is ready, as last given; of a buried job, when it was buried
	pri     uint32
	rare    uint32 // index of its rare; 0: none

	releases, buries, kicks uint32
	// Statistics of the node that leads.
	reserves, timeouts uint32

	// Index. Where the job is in its phase:
	//   ready    in a lane: next and prev are its neighbours; in the overflow: pos
	//   buried   next and prev are its neighbours
	//   delayed  pos in the queue's heap of delayed jobs
	//   reserved holder is the session's index, pos in the session's heap of leases
	next   slot
	prev   slot
	phase  Phase
	flags  jobFlags
	putBy  Source // a fact
	heldBy Source // statistics
}

type jobFlags uint8

const (
	jobInHeap   jobFlags = 1 << iota // ready, and in the overflow
	jobBuried                        // a fact: the phase without time and leases
	jobVolatile                      // its records are not logged
	jobOrphan                        // volatile, reserved, and nobody follows it: it ends with its lease
)

// turn is j's place among the jobs of its priority: in the order in which they were
// put, volatile or not.
func (j *job) turn() JobID { return j.id &^ volatileIDs }

func (j *job) is(f jobFlags) bool { return j.flags&f != 0 }

func (j *job) set(f jobFlags, v bool) {
	if j.flags &^= f; v {
		j.flags |= f
	}
}

// The two links have other names where a job is in a heap.
func (j *job) pos() uint32    { return j.prev }
func (j *job) holder() uint32 { return j.next }

// list is a chain of jobs through next and prev.
type list struct {
	head, tail slot
}

func (s *State) pushBack(l *list, at slot, j *job) {
	j.prev, j.next = l.tail, 0
	if l.tail == 0 {
		l.head = at
	} else {
		s.jobs.mut(l.tail).next = at
	}
	l.tail = at
}

func (s *State) pushFront(l *list, at slot, j *job) {
	j.prev, j.next = 0, l.head
	if l.head == 0 {
		l.tail = at
	} else {
		s.jobs.mut(l.head).prev = at
	}
	l.head = at
}

func (s *State) unlink(l *list, j *job) {
	if j.prev == 0 {
		l.head = j.next
	} else {
		s.jobs.mut(j.prev).next = j.next
	}
	if j.next == 0 {
		l.tail = j.prev
	} else {
		s.jobs.mut(j.next).prev = j.prev
	}
	j.next, j.prev = 0, 0
}
