package queue

// Output is an answer on its way to a session.
type Output struct {
	Session SessionID
	Tag     uint64 // what Open was given for the session
	Port    uint32 // likewise
	Seq     uint32 // of the request that is answered
	// Lost says the outcome of the session's requests is unknown: its connection is to
	// be closed without an answer.
	Lost bool
	// Event says what happened when this is no answer: EventWake, or for a session
	// that follows Result.ID, what became of the job. Seq is then that of the request
	// that asked for it.
	Event  Event
	Result Result
}

// Event is what a session hears of beside the answers to its requests.
type Event uint8

const (
	EventNone      Event = iota
	EventWake            // a watched queue may have a job: see OpSleep
	EventAssigned        // the job was reserved
	EventData            // part of its result
	EventWarning         // a warning of who works it
	EventProgress        // Result.N of Result.M is done
	EventComplete        // it is done, with the rest of its result; nothing follows
	EventFail            // it failed or was removed; nothing follows
	EventException       // it failed, and says why; nothing follows
)

// ends says whether a job is over with the event.
func (e Event) ends() bool { return e >= EventComplete }

// Outputs holds answers and the bodies they carry.
type Outputs struct {
	List   []Output
	bodies []byte
}

// TakeOutputs moves the answers made since the last call into o, whose former
// ones are lost.
func (s *State) TakeOutputs(o *Outputs) {
	clear(o.List)
	o.List, o.bodies = o.List[:0], o.bodies[:0]
	s.outputs, *o = *o, s.outputs
}

// answer sends res to sess as the answer to its request seq.
func (s *State) answer(sess *session, seq uint32, res Result) {
	s.outputs.List = append(s.outputs.List, Output{
		Session: sess.id, Tag: sess.tag, Port: sess.port, Seq: seq, Result: res,
	})
}

// answerJob answers with a job and its body. A small one is copied: its place on
// the page may be another job's by the time the reply is made.
func (s *State) answerJob(sess *session, a ask, j *job) {
	small, large := s.bodies.read(j.body, j.size)
	at := len(s.outputs.bodies)
	s.outputs.bodies = append(s.outputs.bodies, small...)
	res := Result{
		ID:    j.id,
		Body:  Body{s.outputs.bodies[at:len(s.outputs.bodies):len(s.outputs.bodies)], large},
		Queue: s.queues[j.queue].name,
	}
	if a.more {
		res.Extra = s.extra(j)
	}
	s.answer(sess, a.seq, res)
}
