package queue

// expiryItem orders the jobs that go unworked when their time has passed.
type expiryItem struct {
	expiresAt int64 // wall time, ns
	at        slot
}

// watchExpiry makes time remove job j, if it is one that expires.
func (s *State) watchExpiry(at slot, j *job) {
	if j.rare == 0 {
		return
	}
	if x := s.rares.at(j.rare); x.expiresAt != 0 {
		s.expiries.push(expiryItem{x.expiresAt, at})
	}
}

// ignoreExpiry ends watchExpiry: a leased job does not expire.
func (s *State) ignoreExpiry(j *job) {
	if j.rare == 0 {
		return
	}
	if x := s.rares.mut(j.rare); x.expiryPos > 0 {
		s.expiries.remove(x.expiryPos - 1)
		x.expiryPos = 0
	}
}

// expireJobs removes jobs whose time has passed, in bounded steps.
func (s *State) expireJobs() {
	for n := 0; n < stepJobs && len(s.expiries.items) > 0 && s.expiries.items[0].expiresAt <= s.wall; n++ {
		j := s.jobs.at(s.expiries.items[0].at)
		s.expired++
		s.commit(&record{kind: recordExpire, id: j.id})
	}
}
