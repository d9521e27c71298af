package queue

func (s *State) execPut(sess *session, r *Request) {
	q := s.named(sess, r)
	if r.More != nil && len(r.More.Unique) > 0 && q != nil {
		if at, j := s.findUnique(q, r.More.Unique); j != nil {
			s.join(sess, r, at, s.jobs.mut(at))
			return
		}
	}
	if q != nil && q.full(r.Pri) {
		if r.Upload != 0 {
			s.dropUpload(uploadKey{sess.id, r.Upload})
		}
		s.answer(sess, r.Seq, Result{Err: ErrQueueFull})
		return
	}
	if q == nil {
		q = s.queueNamed(r.Queue)
	}
	if r.Flags&FlagFanOut != 0 && len(q.children) > 0 {
		s.fanOut(sess, r, q)
		return
	}
	rec := s.newPut(sess, r, q)
	s.answer(sess, r.Seq, Result{ID: rec.id}) // before what others make of the job
	s.put(&rec)
}

// fanOut puts a job to q and a copy of it to each of its children.
func (s *State) fanOut(sess *session, r *Request, q *Queue) {
	var pieces [][]byte
	if r.Upload != 0 {
		pieces = s.uploads[uploadKey{sess.id, r.Upload}]
	}
	rec := s.newPut(sess, r, q)
	s.answer(sess, r.Seq, Result{ID: rec.id})
	s.put(&rec)
	for _, child := range q.children {
		if child.full(r.Pri) {
			continue
		}
		rec := s.newPut(sess, r, child)
		if r.Upload != 0 {
			rec.upload = s.uploadAgain(rec.id, pieces, rec.local)
		}
		s.put(&rec)
	}
}

// newPut returns the record that adds a job as r says to queue q.
func (s *State) newPut(sess *session, r *Request, q *Queue) record {
	rec := record{
		kind: recordPut, to: q, queue: q.nameBytes, body: r.Body,
		pri: r.Pri, delay: int64(r.Delay), ttr: int64(r.TTR), expiresAt: r.ExpiresAt,
		more: r.More, source: sess.source,
	}
	if r.Flags&FlagVolatile != 0 {
		rec.local = true
		rec.id = s.takeVolatileID()
	} else {
		rec.id = s.takeID()
	}
	switch {
	case r.More != nil && r.More.ReadyAt != 0:
		rec.due = never
	case r.Delay > 0:
		rec.due = s.after(int64(r.Delay))
	}
	if r.Upload != 0 {
		rec.upload = uploadKey{sess.id, r.Upload}
	}
	if r.Flags&FlagFollow != 0 {
		s.follow(sess, r.Seq, rec.id) // before somebody is given the job
	}
	return rec
}

func (s *State) put(rec *record) {
	s.total++
	rec.to.total++
	s.commit(rec)
}

// uploadAgain writes the pieces of a large body for job id, because a put uses its
// upload up.
func (s *State) uploadAgain(id JobID, pieces [][]byte, local bool) uploadKey {
	key := uploadKey{0, uint64(id)} // no session has the id 0
	for _, piece := range pieces {
		for len(piece) > 0 {
			n := min(len(piece), MaxInlineBody)
			s.commit(&record{kind: recordChunk, upload: key, body: piece[:n], local: local})
			piece = piece[n:]
		}
	}
	return key
}

// join answers a put with the job that has its unique key already.
func (s *State) join(sess *session, r *Request, at slot, j *job) {
	if r.Upload != 0 {
		s.dropUpload(uploadKey{sess.id, r.Upload})
	}
	if r.Flags&FlagVolatile == 0 && j.is(jobVolatile) {
		s.promote(j)
	}
	if r.Flags&FlagFollow != 0 {
		s.jobs.mut(at).set(jobOrphan, false)
		s.follow(sess, r.Seq, j.id)
	}
	s.answer(sess, r.Seq, Result{ID: j.id, N: 1})
}

func (s *State) takeID() JobID {
	id := s.nextID
	s.nextID++
	return id
}

// maxImported is above the ids that an import may bring: those of the first group.
const maxImported JobID = 1 << 40

// execImport puts a job with the life it had elsewhere.
func (s *State) execImport(sess *session, r *Request) {
	im := r.Import
	if im == nil || r.ID == 0 || r.ID >= maxImported || s.ids.get(r.ID) != 0 {
		s.answer(sess, r.Seq, Result{Err: ErrBadRequest})
		return
	}
	rec := record{
		kind: recordPut, id: r.ID, queue: r.Queue, body: r.Body,
		pri: r.Pri, delay: int64(r.Delay), ttr: int64(r.TTR),
		created: max(1, s.now-int64(im.Age)), buried: im.Phase == Buried,
		releases: im.Releases, buries: im.Buries, kicks: im.Kicks, source: sess.source,
	}
	if r.Upload != 0 {
		rec.upload = uploadKey{sess.id, r.Upload}
	}
	switch im.Phase {
	case Delayed:
		rec.due = s.after(int64(im.Left))
	case Buried:
		rec.due = s.burial()
	}
	s.commit(&rec)
	if at, j := s.find(r.ID); j != nil {
		j = s.jobs.mut(at)
		j.reserves += im.Reserves // it may have gone to who waits
		j.timeouts = im.Timeouts
	}
	s.answer(sess, r.Seq, Result{ID: r.ID})
}

func (s *State) execChunk(sess *session, r *Request) {
	sess.uploads = true
	s.commit(&record{
		kind: recordChunk, upload: uploadKey{sess.id, r.Upload}, body: r.Body,
		local: r.Flags&FlagVolatile != 0,
	})
	s.answer(sess, r.Seq, Result{})
}

func (s *State) execDropUpload(sess *session, r *Request) {
	s.dropUpload(uploadKey{sess.id, r.Upload})
	s.answer(sess, r.Seq, Result{})
}

func (s *State) dropUpload(k uploadKey) {
	if _, ok := s.uploads[k]; ok {
		s.commit(&record{kind: recordDropUpload, upload: k})
	}
}

// execSkipID writes nothing: nobody was told the id, so a restart may use it.
func (s *State) execSkipID(sess *session, r *Request) {
	s.answer(sess, r.Seq, Result{ID: s.takeID()})
}
