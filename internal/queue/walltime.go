package queue

// wallItem orders the jobs for which wall time does something: those that become
// ready or go unworked at a time given as such.
type wallItem struct {
	alarm int64 // wall time, ns
	at    slot
}

// watchWall makes wall time act on job j, if it is one that it acts on.
func (s *State) watchWall(at slot, j *job) {
	if j.rare == 0 {
		return
	}
	x := s.rares.at(j.rare)
	alarm := x.expiresAt
	if s.delayed(j) && j.due == never && x.readyAt != 0 && (alarm == 0 || x.readyAt < alarm) {
		alarm = x.readyAt
	}
	if alarm != 0 {
		s.wallTimers.push(wallItem{alarm, at})
	}
}

// ignoreWall ends watchWall: a leased job does not expire.
func (s *State) ignoreWall(j *job) {
	if j.rare == 0 {
		return
	}
	if x := s.rares.mut(j.rare); x.alarm > 0 {
		s.wallTimers.remove(x.alarm - 1)
		x.alarm = 0
	}
}

// runWall does what wall time has brought, in bounded steps.
func (s *State) runWall() {
	for n := 0; n < stepJobs && len(s.wallTimers.items) > 0 && s.wallTimers.items[0].alarm <= s.wall; n++ {
		at := s.wallTimers.items[0].at
		j := s.jobs.mut(at)
		if x := s.rares.at(j.rare); x.expiresAt == 0 || x.expiresAt > s.wall {
			s.readyByWall(at, j)
			continue
		}
		s.expired++
		s.queues[j.queue].expired++
		s.expireJob(j)
	}
}

// readyByWall makes a job ready whose wall time has come. Nothing is written: the
// facts say it, too.
func (s *State) readyByWall(at slot, j *job) {
	s.ignoreWall(j)
	if j.phase == Delayed {
		s.take(at, j)
		s.makeReady(s.queues[j.queue], at, j)
	}
	if j.phase == Ready || j.phase == Buried {
		s.watchWall(at, j)
	}
}

// delayed says whether time has still to come before job j is ready.
func (s *State) delayed(j *job) bool {
	if j.due == never && j.rare != 0 {
		if at := s.rares.at(j.rare).readyAt; at != 0 {
			return at > s.wall
		}
	}
	return j.due > s.now
}

// expireJob removes a job whose time has passed, or moves it where its queue says.
func (s *State) expireJob(j *job) {
	if to := s.queues[j.queue].settings.ExpireTo; to != "" && to != s.queues[j.queue].name {
		s.commit(&record{kind: recordMove, id: j.id, queue: []byte(to), local: j.is(jobVolatile)})
		return
	}
	s.tell(j.id, EventFail, nil, Result{})
	s.commit(&record{kind: recordExpire, id: j.id, local: j.is(jobVolatile)})
}
