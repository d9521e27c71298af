package queue

import "time"

// duration makes a time.Duration of ns.
func duration(ns int64) time.Duration { return time.Duration(ns) }

// Exec runs one request: it decides, makes records and applies them at once.
// Answers wait in TakeOutputs. room says what the log still takes.
func (s *State) Exec(r *Request, room Room) {
	sess := s.session(r.Session)
	if sess == nil {
		return // closed meanwhile: nobody to answer
	}
	if int(r.Op) >= len(handlers) || handlers[r.Op].run == nil {
		s.answer(sess, r.Seq, Result{Err: ErrBadRequest})
		return
	}
	h := &handlers[r.Op]
	if h.needs > room {
		s.answer(sess, r.Seq, Result{Err: ErrNoSpace})
		return
	}
	h.run(s, sess, r)
}

// Refuse answers a request that is not run: its outcome is unknown.
func (s *State) Refuse(r *Request) {
	if sess := s.session(r.Session); sess != nil {
		if r.Op == OpClose {
			s.close(sess)
			return
		}
		s.outputs.List = append(s.outputs.List, Output{Session: sess.id, Tag: sess.tag, Port: sess.port, Lost: true})
	}
}

// Room is what may still be written: what a request needs, or what there is.
type Room uint8

const (
	RoomForNone  Room = iota // requests that make no record
	RoomToDelete             // those that change or remove jobs
	RoomForAll               // those that add jobs
)

// handlers says for each Op what runs it and the room it needs.
var handlers = [...]struct {
	run   func(*State, *session, *Request)
	needs Room
}{
	OpClose:         {run: (*State).execClose},
	OpPut:           {run: (*State).execPut, needs: RoomForAll},
	OpImport:        {run: (*State).execImport, needs: RoomForAll},
	OpChunk:         {run: (*State).execChunk, needs: RoomForAll},
	OpDropUpload:    {run: (*State).execDropUpload},
	OpSkipID:        {run: (*State).execSkipID},
	OpReserve:       {run: (*State).execReserve},
	OpCancelReserve: {run: (*State).execCancelReserve},
	OpReserveJob:    {run: (*State).execReserveJob},
	OpAck:           {run: (*State).execAck, needs: RoomToDelete},
	OpDelete:        {run: (*State).execDelete, needs: RoomToDelete},
	OpRelease:       {run: (*State).execRelease, needs: RoomToDelete},
	OpBury:          {run: (*State).execBury, needs: RoomToDelete},
	OpTouch:         {run: (*State).execTouch},
	OpKick:          {run: (*State).execKick, needs: RoomToDelete},
	OpKickJob:       {run: (*State).execKickJob, needs: RoomToDelete},
	OpPurge:         {run: (*State).execPurge, needs: RoomToDelete},
	OpPeek:          {run: (*State).execPeek},
	OpPeekReady:     {run: (*State).execPeekReady},
	OpPeekDelayed:   {run: (*State).execPeekDelayed},
	OpPeekBuried:    {run: (*State).execPeekBuried},
	OpUse:           {run: (*State).execUse},
	OpWatch:         {run: (*State).execWatch},
	OpIgnore:        {run: (*State).execIgnore},
	OpWatched:       {run: (*State).execWatched},
	OpPause:         {run: (*State).execPause, needs: RoomToDelete},
	OpStats:         {run: (*State).execStats},
	OpQueueStats:    {run: (*State).execQueueStats},
	OpJobStats:      {run: (*State).execJobStats},
	OpQueues:        {run: (*State).execQueues},
}

// named returns the queue r means for sess, or nil when there is none by that name.
func (s *State) named(sess *session, r *Request) *Queue {
	if len(r.Queue) == 0 {
		return sess.used
	}
	return s.byName[string(r.Queue)]
}

// find returns a job by its id.
func (s *State) find(id JobID) (slot, *job) {
	at := s.ids.get(id)
	if at == 0 {
		return 0, nil
	}
	return at, s.jobs.at(at)
}

// held returns a job that sess holds.
func (s *State) held(sess *session, id JobID) (slot, *job) {
	at, j := s.find(id)
	if j == nil || j.phase != Reserved || j.holder() != sess.index {
		return 0, nil
	}
	return at, j
}

func (s *State) execClose(sess *session, _ *Request) {
	for k := range s.uploads {
		if k.session == sess.id {
			s.commit(&record{kind: recordDropUpload, upload: k})
		}
	}
	s.dropSteps(sess)
	s.close(sess)
}

func (s *State) execPut(sess *session, r *Request) {
	rec := record{
		kind: recordPut, id: s.takeID(), queue: r.Queue, body: r.Body,
		pri: r.Pri, delay: int64(r.Delay), ttr: int64(r.TTR), expiresAt: r.ExpiresAt,
	}
	if len(rec.queue) == 0 {
		rec.to = sess.used
		rec.queue = rec.to.nameBytes
	}
	if r.Delay > 0 {
		rec.due = s.after(int64(r.Delay))
	}
	if r.Upload != 0 {
		rec.upload = uploadKey{sess.id, r.Upload}
	}
	s.commit(&rec)
	s.total++
	s.queues[s.jobs.at(s.ids.get(rec.id)).queue].total++
	s.answer(sess, r.Seq, Result{ID: rec.id})
}

func (s *State) takeID() JobID {
	id := s.nextID
	s.nextID++
	return id
}

// execImport puts a job with the life it had elsewhere.
func (s *State) execImport(sess *session, r *Request) {
	im := r.Import
	if im == nil || r.ID == 0 || r.ID >= MaxJobID || s.ids.get(r.ID) != 0 {
		s.answer(sess, r.Seq, Result{Err: ErrBadRequest})
		return
	}
	rec := record{
		kind: recordPut, id: r.ID, queue: r.Queue, body: r.Body,
		pri: r.Pri, delay: int64(r.Delay), ttr: int64(r.TTR),
		created: max(1, s.now-int64(im.Age)), buried: im.Phase == Buried,
		releases: im.Releases, buries: im.Buries, kicks: im.Kicks,
	}
	if r.Upload != 0 {
		rec.upload = uploadKey{sess.id, r.Upload}
	}
	if im.Phase == Delayed {
		rec.due = s.after(int64(im.Left))
	}
	s.commit(&rec)
	if at, j := s.find(r.ID); j != nil {
		j = s.jobs.mut(at)
		j.reserves, j.timeouts = im.Reserves, im.Timeouts
	}
	s.answer(sess, r.Seq, Result{ID: r.ID})
}

func (s *State) execChunk(sess *session, r *Request) {
	s.commit(&record{kind: recordChunk, upload: uploadKey{sess.id, r.Upload}, body: r.Body})
	s.answer(sess, r.Seq, Result{})
}

func (s *State) execDropUpload(sess *session, r *Request) {
	k := uploadKey{sess.id, r.Upload}
	if _, ok := s.uploads[k]; ok {
		s.commit(&record{kind: recordDropUpload, upload: k})
	}
	s.answer(sess, r.Seq, Result{})
}

// execSkipID writes nothing: nobody was told the id, so a restart may use it.
func (s *State) execSkipID(sess *session, r *Request) {
	s.answer(sess, r.Seq, Result{ID: s.takeID()})
}

func (s *State) execReserve(sess *session, r *Request) {
	if sess.waiting {
		s.answer(sess, r.Seq, Result{Err: ErrBadRequest})
		return
	}
	s.share(sess)
	switch q := s.next(sess.set); {
	case q != nil:
		s.lease(sess, q, r.Seq)
	case r.Flags&FlagDeadlineSoon != 0 && len(sess.leases.items) > 0 &&
		sess.leases.items[0].end-int64(DeadlineMargin) <= s.now:
		s.answer(sess, r.Seq, Result{Err: ErrDeadlineSoon})
	case r.Timeout == 0:
		s.answer(sess, r.Seq, Result{Err: ErrTimedOut})
	default:
		s.wait(sess, r)
	}
}

func (s *State) execCancelReserve(sess *session, _ *Request) {
	if sess.waiting {
		s.stopWaiting(sess)
		s.answer(sess, sess.waitSeq, Result{Err: ErrTimedOut})
	}
}

func (s *State) execReserveJob(sess *session, r *Request) {
	at, j := s.find(r.ID)
	if j == nil || j.phase == Reserved {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.leaseJob(sess, at, s.jobs.mut(at), r.Seq)
}

func (s *State) execAck(sess *session, r *Request) {
	_, j := s.held(sess, r.ID)
	s.delete(sess, r, j)
}

func (s *State) execDelete(sess *session, r *Request) {
	_, j := s.find(r.ID)
	if j != nil && j.phase == Reserved && j.holder() != sess.index {
		j = nil
	}
	s.delete(sess, r, j)
}

func (s *State) delete(sess *session, r *Request, j *job) {
	if j == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.queues[j.queue].deletes++
	s.commit(&record{kind: recordDelete, id: j.id})
	s.answer(sess, r.Seq, Result{})
}

func (s *State) execRelease(sess *session, r *Request) {
	_, j := s.held(sess, r.ID)
	if j == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	rec := record{
		kind: recordRelease, id: j.id, pri: r.Pri, delay: int64(r.Delay), releases: j.releases + 1,
	}
	if r.Delay > 0 {
		rec.due = s.after(int64(r.Delay))
	}
	s.commit(&rec)
	s.answer(sess, r.Seq, Result{})
}

func (s *State) execBury(sess *session, r *Request) {
	_, j := s.held(sess, r.ID)
	if j == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.commit(&record{kind: recordBury, id: j.id, pri: r.Pri, buries: j.buries + 1})
	s.answer(sess, r.Seq, Result{})
}

func (s *State) execTouch(sess *session, r *Request) {
	at, j := s.held(sess, r.ID)
	if j == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	end := s.after(j.ttr)
	sess.leases.items[j.pos()] = leaseItem{end, at}
	sess.leases.fix(j.pos())
	s.setSessionTimer(sess, end)
	s.answer(sess, r.Seq, Result{})
}

func (s *State) execKickJob(sess *session, r *Request) {
	_, j := s.find(r.ID)
	if j == nil || j.phase != Buried && j.phase != Delayed {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.commit(&record{kind: recordKick, id: j.id, kicks: j.kicks + 1})
	s.answer(sess, r.Seq, Result{})
}

func (s *State) execPeek(sess *session, r *Request) { s.answerPeek(sess, r, s.ids.get(r.ID)) }

func (s *State) execPeekReady(sess *session, r *Request) {
	var at slot
	if q := s.named(sess, r); q != nil {
		at, _ = s.first(&q.ready)
	}
	s.answerPeek(sess, r, at)
}

func (s *State) execPeekDelayed(sess *session, r *Request) {
	var at slot
	if q := s.named(sess, r); q != nil && len(q.delayed.items) > 0 {
		at = q.delayed.items[0].at
	}
	s.answerPeek(sess, r, at)
}

func (s *State) execPeekBuried(sess *session, r *Request) {
	var at slot
	if q := s.named(sess, r); q != nil {
		at = q.buried.head
	}
	s.answerPeek(sess, r, at)
}

func (s *State) answerPeek(sess *session, r *Request, at slot) {
	if at == 0 {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.answerJob(sess, r.Seq, s.jobs.at(at))
}

func (s *State) execUse(sess *session, r *Request) {
	before := sess.used
	sess.used = s.queueNamed(r.Queue)
	sess.used.using++
	before.using--
	s.forgetIfUnused(before)
	s.answer(sess, r.Seq, Result{})
}

func (s *State) execWatch(sess *session, r *Request) {
	q := s.queueNamed(r.Queue)
	if sess.set.of[q] == nil {
		s.add(s.ownSet(sess), q)
		q.watching++
	}
	s.answer(sess, r.Seq, Result{N: uint64(len(sess.set.members))})
}

func (s *State) execIgnore(sess *session, r *Request) {
	q := s.byName[string(r.Queue)]
	if q != nil && sess.set.of[q] != nil {
		if len(sess.set.members) == 1 {
			s.answer(sess, r.Seq, Result{Err: ErrNotIgnored})
			return
		}
		s.ownSet(sess).drop(q)
		q.watching--
		s.forgetIfUnused(q)
	}
	s.answer(sess, r.Seq, Result{N: uint64(len(sess.set.members))})
}

func (s *State) execPause(sess *session, r *Request) {
	q := s.named(sess, r)
	if q == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	q.pauses++
	s.commit(&record{
		kind: recordPause, queue: q.nameBytes, due: s.after(int64(r.Delay)), delay: int64(r.Delay),
	})
	s.answer(sess, r.Seq, Result{})
}
