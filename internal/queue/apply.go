package queue

import (
	"errors"
	"fmt"
)

// errSecondJob is for a log that puts a job twice.
var errSecondJob = errors.New("queue: a job is put a second time under the same id")

// commit makes record r happen here, and writes it down for the log.
func (s *State) commit(r *record) {
	if s.logging && !r.local {
		s.records = appendRecord(s.records, r)
	}
	if err := s.apply(r); err != nil {
		panic(fmt.Sprintf("queue: a decision does not apply: %v", err))
	}
}

// apply changes facts as r says: the one function that does, on the node that
// decided as on those that follow. It reads no clock but that of the batch, no
// randomness and no session state.
func (s *State) apply(r *record) error {
	switch r.kind {
	case recordPut:
		return s.applyPut(r)
	case recordChunk:
		s.uploads[r.upload] = append(s.uploads[r.upload], append([]byte(nil), r.body...))
		return nil
	case recordDropUpload:
		delete(s.uploads, r.upload)
		return nil
	case recordPause:
		s.applyPause(r)
		return nil
	case recordConfigure:
		s.applySettings(s.queueNamed(r.queue), *r.settings)
		return nil
	case recordVolatile:
		s.volatileEnd = r.id
		return nil
	case recordEpoch:
		clear(s.uploads) // their sessions are gone
		s.nextID = max(s.nextID, s.volatileEnd&^volatileIDs)
		return nil
	}
	at := s.ids.get(r.id)
	if at == 0 {
		return fmt.Errorf("queue: a record of kind %d names job %d, which does not exist", r.kind, r.id)
	}
	j := s.jobs.mut(at)
	s.take(at, j)
	if r.kind == recordDelete || r.kind == recordExpire {
		s.remove(at, j)
		return nil
	}
	switch r.kind {
	case recordRelease:
		j.pri, j.delay, j.due, j.releases = r.pri, r.delay, r.due, r.releases
		j.set(jobBuried, false)
	case recordBury:
		j.pri, j.buries, j.due = r.pri, r.buries, r.due
		j.set(jobBuried, true)
	case recordKick:
		j.kicks, j.due = r.kicks, 0
		j.set(jobBuried, false)
	case recordMove:
		s.move(at, j, s.queueNamed(r.queue))
	}
	s.ids.page(r.id).changed = s.snapshots
	s.place(at, j)
	return nil
}

func (s *State) applyPut(r *record) error {
	if at := s.ids.get(r.id); at != 0 {
		return s.keep(at, r)
	}
	at, j := s.jobs.alloc()
	q := r.to
	if q == nil {
		q = s.queueNamed(r.queue)
	}
	*j = job{
		id: r.id, queue: q.index, created: s.now, pri: r.pri,
		delay: r.delay, ttr: r.ttr, due: r.due, putBy: r.source,
	}
	j.set(jobVolatile, r.local)
	if r.created != 0 {
		j.created = r.created
		j.set(jobBuried, r.buried)
		j.releases, j.buries, j.kicks = r.releases, r.buries, r.kicks
	}
	s.storeBody(j, r)
	s.index(at, j)
	s.storeRare(at, j, r)
	s.place(at, j)
	return nil
}

// storeBody keeps the body that r carries or names.
func (s *State) storeBody(j *job, r *record) {
	if r.stored != nil {
		j.body, j.size = r.stored.ref, r.stored.size
		return
	}
	if r.upload.upload == 0 {
		j.body, j.size = s.bodies.put(r.body), uint32(len(r.body))
		return
	}
	pieces := s.uploads[r.upload]
	delete(s.uploads, r.upload)
	if len(r.body) > 0 {
		pieces = append(pieces, append([]byte(nil), r.body...))
	}
	for _, p := range pieces {
		j.size += uint32(len(p))
	}
	j.body = s.bodies.putLarge(pieces)
}

// index makes job j findable by its id.
func (s *State) index(at slot, j *job) {
	p := s.ids.set(j.id, at)
	p.changed, p.added = s.snapshots, s.snapshots
	p.alive += uint64(j.size)
	if j.id < volatileIDs {
		s.maxID = max(s.maxID, j.id)
		s.nextID = max(s.nextID, j.id+1)
	}
}

// remove ends a job that is in no phase.
func (s *State) remove(at slot, j *job) {
	s.forgetFollowers(j.id)
	s.dropRare(at, j)
	p := s.ids.page(j.id)
	p.changed = s.snapshots
	p.alive -= uint64(j.size)
	s.ids.remove(j.id)
	s.bodies.drop(j.body)
	q := s.queues[j.queue]
	s.jobs.free(at)
	s.forgetIfUnused(q)
}

// move takes a job, which is in no phase, to another queue; it no longer expires.
func (s *State) move(at slot, j *job, to *Queue) {
	from := s.queues[j.queue]
	s.ignoreWall(j)
	if j.rare != 0 {
		s.rares.mut(j.rare).expiresAt = 0
	}
	j.queue = to.index
	s.watchWall(at, j)
	if from != to { // which has no job until this one is placed
		s.forgetIfUnused(from)
	}
}

func (s *State) applyPause(r *record) {
	q := s.queueNamed(r.queue)
	q.pausedUntil = r.due
	q.pauseLength = duration(r.delay)
	q.paused = q.pausedUntil > s.now
	if q.paused {
		s.setQueueTimer(q)
		return
	}
	s.offer(q)
	s.ring(q)
	s.forgetIfUnused(q)
}

// eachRecord calls visit for every record of a batch that must be understood.
func eachRecord(records []byte, visit func(*record) error) error {
	c := cursor{b: records}
	for len(c.b) > 0 {
		b := c.bytes()
		if c.bad {
			return errCorrupt
		}
		r, ok, err := decodeRecord(b)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := visit(&r); err != nil {
			return err
		}
	}
	return nil
}
