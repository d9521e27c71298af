package queue

// volatileIDs is the least id of a volatile job: such jobs are not in the log, and
// their ids say so by bit 52.
const volatileIDs JobID = 1 << 52

// volatileBlock is how many ids of volatile jobs are secured at a time: a record
// for each job would cost what its not being logged saves.
const volatileBlock = 1 << 20

// takeVolatileID returns an id that was not given out before, not even before a
// restart. Volatile jobs take their turn among the others: one counter serves both.
func (s *State) takeVolatileID() JobID {
	id := volatileIDs | s.takeID()
	if id >= s.volatileEnd {
		s.commit(&record{kind: recordVolatile, id: id + volatileBlock})
	}
	return id
}

// promote makes a volatile job one that is in the log, as if it had been put so. It
// keeps its id, which clients have.
func (s *State) promote(j *job) {
	rec := record{
		kind: recordPut, id: j.id, queue: s.queues[j.queue].nameBytes, pri: j.pri,
		created: max(1, j.created), due: j.due, delay: j.delay, ttr: j.ttr, buried: j.is(jobBuried),
		releases: j.releases, buries: j.buries, kicks: j.kicks, source: j.putBy,
	}
	if j.rare != 0 {
		x := s.rares.at(j.rare)
		rec.expiresAt, rec.more = x.expiresAt, x.more(s.bodies.bytes)
	}
	small, large := s.bodies.read(j.body, j.size)
	rec.body = small
	if len(large) > 0 {
		rec.upload = s.uploadAgain(j.id, large, false)
	}
	s.commit(&rec)
}

// keep applies the put of a job that is here, and volatile, already: where it was
// decided. Elsewhere the put makes the job.
func (s *State) keep(at slot, r *record) error {
	j := s.jobs.mut(at)
	if !j.is(jobVolatile) || r.local {
		return errSecondJob
	}
	delete(s.uploads, r.upload)
	j.set(jobVolatile|jobOrphan, false)
	p := s.ids.page(j.id)
	p.changed, p.added = s.snapshots, s.snapshots
	return nil
}

// dropVolatile ends all volatile jobs. They are in no lease.
func (s *State) dropVolatile() {
	for _, p := range s.ids.sorted() {
		if p.n < uint64(volatileIDs)>>idPageBits {
			continue
		}
		for _, at := range p.slots {
			if at == 0 || !s.jobs.at(at).is(jobVolatile) {
				continue
			}
			j := s.jobs.mut(at)
			s.take(at, j)
			s.remove(at, j)
		}
	}
}
