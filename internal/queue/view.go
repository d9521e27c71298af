package queue

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"io"
	"maps"
	"slices"
)

// A snapshot is a list of sections, each under a key, in ascending order:
//
//	0               epoch, sequence, the clock, the highest ids, pauses and settings
//	1               bodies that are still arriving
//	2n+2, 2n+3      the jobs with ids n<<10 … n<<10 + 1023: their bodies (each: id uv,
//	                length uv, bytes), and all else about them
//
// A large stable backlog is not written again at each snapshot: a section of jobs
// counts as unchanged unless a job of its page changed, a section of bodies unless
// one was added or more than half of its bytes are dead.
const (
	sectionGlobal  = 0
	sectionUploads = 1
	sectionJobs    = 2
)

// View is the facts of one moment. It may be read while the state goes on, from
// another goroutine.
type View struct {
	state   *State
	jobs    pages[job]
	rares   pages[rare]
	bodies  bodyView
	ids     []numberedPage
	names   []string // by index of queue
	global  []byte   // section 0, encoded
	uploads map[uploadKey][][]byte
	gen     uint64 // of this snapshot
	stored  uint64 // of the last one stored
}

// View freezes the state as it is now. It takes milliseconds whatever the size.
func (s *State) View() *View {
	v := &View{
		state:   s,
		jobs:    s.jobs.view(),
		rares:   s.rares.view(),
		bodies:  s.bodies.freeze(),
		ids:     s.ids.view(),
		names:   make([]string, len(s.queues)),
		global:  s.appendGlobal(nil),
		uploads: maps.Clone(s.uploads), // pieces never change
		gen:     s.snapshots,
		stored:  s.stored,
	}
	for i, q := range s.queues {
		if q != nil {
			v.names[i] = q.name
		}
	}
	s.snapshots++
	return v
}

// releaseStep bounds the bodies that Release frees, which takes less than 1 ms.
const releaseStep = 10_000

// Release frees some of the bodies that were kept for the view alone, which must have
// been read, and reports whether there are more. Called until then, it leaves Close
// little to do. It belongs to the state's own goroutine.
func (v *View) Release() bool {
	b := &v.state.bodies
	return b.views == 1 && b.release(releaseStep)
}

// Close lets go of the view. It belongs to the state's own goroutine. stored says
// that its sections are now those of the last snapshot.
func (v *View) Close(stored bool) {
	s := v.state
	s.jobs.thaw()
	s.rares.thaw()
	s.ids.thaw()
	s.bodies.thaw()
	if !stored {
		return
	}
	s.stored = max(s.stored, v.gen)
	for _, p := range v.ids {
		if v.bodiesUnchanged(p) {
			continue
		}
		// The page may have been dropped since.
		if s.ids.find(p.n) != nil {
			s.ids.page(JobID(p.n << idPageBits)).written = p.alive
		}
	}
}

func (v *View) bodiesUnchanged(p numberedPage) bool {
	return p.added <= v.stored && p.alive >= p.written/2
}

// Sections calls visit for each section, by ascending key, until it fails. write
// writes the section's bytes, and may be called once, during the visit.
func (v *View) Sections(visit func(key uint64, unchanged bool, write func(io.Writer) error) error) error {
	if err := visit(sectionGlobal, false, writeAll(v.global)); err != nil {
		return err
	}
	if err := visit(sectionUploads, false, v.writeUploads); err != nil {
		return err
	}
	for _, p := range v.ids {
		if p.used == 0 {
			continue
		}
		key := sectionJobs + 2*p.n
		err := visit(key, v.bodiesUnchanged(p), func(w io.Writer) error { return v.writeBodies(w, p.idPage) })
		if err != nil {
			return err
		}
		err = visit(key+1, p.changed <= v.stored, func(w io.Writer) error { return v.writeJobs(w, p.idPage) })
		if err != nil {
			return err
		}
	}
	return nil
}

func writeAll(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

func (v *View) writeBodies(w io.Writer, p *idPage) error {
	out := bufio.NewWriterSize(w, 64<<10)
	var head []byte
	for _, at := range p.slots {
		if at == 0 || v.jobs.at(at).is(jobVolatile) {
			continue
		}
		j := v.jobs.at(at)
		small, large := v.bodies.read(j.body, j.size)
		head = binary.AppendUvarint(head[:0], uint64(j.id))
		head = binary.AppendUvarint(head, uint64(j.size))
		out.Write(head)
		out.Write(small)
		for _, piece := range large {
			out.Write(piece)
		}
	}
	return out.Flush()
}

// writeJobs writes what appendJob makes of each job.
func (v *View) writeJobs(w io.Writer, p *idPage) error {
	var b []byte
	for _, at := range p.slots {
		if at == 0 || v.jobs.at(at).is(jobVolatile) {
			continue
		}
		j := v.jobs.at(at)
		var x *rare
		if j.rare != 0 {
			x = v.rares.at(j.rare)
		}
		b = appendJob(b, j, v.names[j.queue], x, v.bodies.bytes)
	}
	_, err := w.Write(b)
	return err
}

// appendJob encodes the facts of a job, but for its body, as the record that would
// put it. bytes reads what storeRare put.
func appendJob(b []byte, j *job, queue string, x *rare, bytes func(bodyRef, uint32) []byte) []byte {
	r := record{
		kind: recordPut, id: j.id, queue: []byte(queue), pri: j.pri,
		created: max(1, j.created), due: j.due, delay: j.delay, ttr: j.ttr,
		buried: j.is(jobBuried), releases: j.releases, buries: j.buries, kicks: j.kicks,
		source: j.putBy,
	}
	if x != nil {
		r.expiresAt, r.more = x.expiresAt, x.more(bytes)
	}
	return appendRecord(b, &r)
}

// appendGlobal encodes: epoch uv, sequence uv, clock uv, highest id uv, end of the
// volatile ids uv, the number of pauses uv, for each: queue bytes, until uv, length
// uv; and for each queue with settings: queue bytes and what appendSettings makes.
func (s *State) appendGlobal(b []byte) []byte {
	for _, n := range [...]uint64{s.epoch, s.seq, uint64(s.now), uint64(s.maxID), uint64(s.volatileEnd)} {
		b = binary.AppendUvarint(b, n)
	}
	paused, configured := s.setQueues()
	b = binary.AppendUvarint(b, uint64(len(paused)))
	for _, q := range paused {
		b = appendBytes(b, q.nameBytes)
		b = binary.AppendUvarint(b, uint64(q.pausedUntil))
		b = binary.AppendUvarint(b, uint64(q.pauseLength))
	}
	for _, q := range configured {
		b = appendSettings(appendBytes(b, q.nameBytes), &q.settings)
	}
	return b
}

// setQueues returns the queues with a pause and those with settings, by name.
func (s *State) setQueues() (paused, configured []*Queue) {
	for _, q := range s.queues {
		if q != nil && q.pausedUntil > s.now {
			paused = append(paused, q)
		}
		if q != nil && q.settings != (Settings{}) {
			configured = append(configured, q)
		}
	}
	byName := func(a, b *Queue) int { return cmp.Compare(a.name, b.name) }
	slices.SortFunc(paused, byName)
	slices.SortFunc(configured, byName)
	return paused, configured
}

// writeUploads writes, for each upload: session uv, upload uv, pieces uv, and each
// piece as bytes.
func (v *View) writeUploads(w io.Writer) error {
	out := bufio.NewWriterSize(w, 64<<10)
	var head []byte
	for k, pieces := range v.uploads {
		head = binary.AppendUvarint(head[:0], uint64(k.session))
		head = binary.AppendUvarint(head, k.upload)
		out.Write(binary.AppendUvarint(head, uint64(len(pieces))))
		for _, p := range pieces {
			out.Write(binary.AppendUvarint(head[:0], uint64(len(p))))
			out.Write(p)
		}
	}
	return out.Flush()
}
