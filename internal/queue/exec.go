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
	// A negative time has no place in a record: no version could read the log again.
	negative := r.Delay < 0 || r.ExpiresAt < 0 || r.TTR < 0 && (r.Op == OpPut || r.Op == OpImport)
	if int(r.Op) >= len(handlers) || handlers[r.Op].run == nil || negative {
		s.answer(sess, r.Seq, Result{Err: ErrBadRequest})
		return
	}
	h := &handlers[r.Op]
	if h.needs > room || r.Flags&FlagTake != 0 && room < RoomToDelete {
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
	OpSleep:         {run: (*State).execSleep},
	OpAck:           {run: (*State).execAck, needs: RoomToDelete},
	OpReport:        {run: (*State).execReport},
	OpFollow:        {run: (*State).execFollow},
	OpDelete:        {run: (*State).execDelete, needs: RoomToDelete},
	OpRelease:       {run: (*State).execRelease, needs: RoomToDelete},
	OpGiveBack:      {run: (*State).execGiveBack, needs: RoomToDelete},
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
	OpAllQueueStats: {run: (*State).execAllQueueStats},
	OpList:          {run: (*State).execList},
	OpFind:          {run: (*State).execFind},
	OpConfigure:     {run: (*State).execConfigure, needs: RoomToDelete},
	OpSettings:      {run: (*State).execSettings},
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
