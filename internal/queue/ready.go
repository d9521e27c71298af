package queue

// maxLanes bounds the lanes of a queue: enough for the few priorities that most
// applications use.
const maxLanes = 8

// ready is the order of a queue's ready jobs: by priority, then by id.
//
// Most queues see few priorities and rising ids, so each of the first priorities
// seen has a lane, a chain in order of id that is added to at either end. What
// fits no lane (a ninth priority, an id that belongs in the middle of a chain)
// goes to the overflow, a heap. The next job is the lesser of the first lane's
// head and the overflow's top.
type ready struct {
	lanes    []lane // by priority; an empty one may be given away
	overflow heap[readyItem]
}

type lane struct {
	pri uint32
	list
}

type readyItem struct {
	key key
	at  slot
}

// key orders ready jobs.
type key struct {
	pri uint32
	id  JobID // see job.turn
}

// key returns the place of j in the order of its queue.
func (j *job) key() key { return key{j.pri, j.turn()} }

func (k key) less(o key) bool {
	return k.pri < o.pri || k.pri == o.pri && k.id < o.id
}

func (s *State) newReady() ready {
	return ready{overflow: heap[readyItem]{
		less:  func(a, b readyItem) bool { return a.key.less(b.key) },
		moved: func(item readyItem, pos uint32) { s.jobs.mut(item.at).prev = pos },
	}}
}

// pushReady adds job j at slot at.
func (s *State) pushReady(r *ready, at slot, j *job) {
	l := r.laneFor(j.pri)
	switch {
	case l == nil:
	case l.tail == 0 || s.jobs.at(l.tail).turn() < j.turn():
		s.pushBack(&l.list, at, j)
		return
	case j.turn() < s.jobs.at(l.head).turn():
		s.pushFront(&l.list, at, j)
		return
	}
	j.set(jobInHeap, true)
	r.overflow.push(readyItem{j.key(), at})
}

// removeReady takes job j out, wherever in the order it is.
func (s *State) removeReady(r *ready, j *job) {
	if j.is(jobInHeap) {
		j.set(jobInHeap, false)
		r.overflow.remove(j.pos())
		return
	}
	for i := range r.lanes {
		if r.lanes[i].pri == j.pri && r.lanes[i].head != 0 {
			s.unlink(&r.lanes[i].list, j)
			return
		}
	}
	panic("queue: a ready job is in no lane")
}

// first returns the next job, or 0.
func (s *State) first(r *ready) (slot, key) {
	var at slot
	var best key
	for i := range r.lanes {
		if at = r.lanes[i].head; at != 0 {
			best = s.jobs.at(at).key()
			break
		}
	}
	if len(r.overflow.items) > 0 {
		if top := &r.overflow.items[0]; at == 0 || top.key.less(best) {
			return top.at, top.key
		}
	}
	return at, best
}

// laneFor returns the lane of a priority, making one or giving it an empty one; nil
// when all are taken.
func (r *ready) laneFor(pri uint32) *lane {
	i, empty := 0, -1
	for ; i < len(r.lanes) && r.lanes[i].pri < pri; i++ {
		if r.lanes[i].head == 0 {
			empty = i
		}
	}
	if i < len(r.lanes) && r.lanes[i].pri == pri {
		return &r.lanes[i]
	}
	for k := i; k < len(r.lanes) && empty < 0; k++ {
		if r.lanes[k].head == 0 {
			empty = k
		}
	}
	switch {
	case empty >= 0 && empty < i:
		i--
		copy(r.lanes[empty:i], r.lanes[empty+1:i+1])
	case empty >= 0:
		copy(r.lanes[i+1:empty+1], r.lanes[i:empty])
	case len(r.lanes) < maxLanes:
		r.lanes = append(r.lanes, lane{})
		copy(r.lanes[i+1:], r.lanes[i:])
	default:
		return nil
	}
	r.lanes[i] = lane{pri: pri}
	return &r.lanes[i]
}
