package queue

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
	uploads []byte   // section 1, encoded
	gen     uint64   // of this snapshot
	stored  uint64   // of the last one stored
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
		uploads: s.appendUploads(nil),
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
	if err := visit(sectionUploads, false, writeAll(v.uploads)); err != nil {
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

// appendUploads encodes, for each upload: session uv, upload uv, pieces uv, and
// each piece as bytes.
func (s *State) appendUploads(b []byte) []byte {
	for k, pieces := range s.uploads {
		b = binary.AppendUvarint(b, uint64(k.session))
		b = binary.AppendUvarint(b, k.upload)
		b = binary.AppendUvarint(b, uint64(len(pieces)))
		for _, p := range pieces {
			b = appendBytes(b, p)
		}
	}
	return b
}

// Restorer fills an empty state from the sections of a snapshot.
type Restorer struct {
	s      *State
	bodies map[JobID][]byte // of the page whose jobs come next
	sizes  uint64           // of the section they were in
}

// NewRestorer starts the restoring of s, which must be new.
func NewRestorer(s *State) *Restorer { return &Restorer{s: s} }

// Section takes the next section.
func (r *Restorer) Section(key uint64, in io.Reader) error {
	b, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	switch {
	case key == sectionGlobal:
		err = r.global(b)
	case key == sectionUploads:
		err = r.uploads(b)
	case key%2 == 0:
		err = r.readBodies(b)
	default:
		err = r.jobs(b)
	}
	if err != nil {
		return fmt.Errorf("section %d of the snapshot: %w", key, err)
	}
	return nil
}

func (r *Restorer) global(b []byte) error {
	c := cursor{b: b}
	r.s.epoch, r.s.seq = c.uv(), c.uv()
	r.s.SetTime(c.time(), 0)
	r.s.maxID = JobID(c.uv())
	r.s.nextID = r.s.maxID + 1
	r.s.volatileEnd = JobID(c.uv())
	for n := c.uv(); n > 0 && !c.bad; n-- {
		name := c.bytes()
		r.s.applyPause(&record{queue: name, due: c.time(), delay: c.time()})
	}
	for len(c.b) > 0 && !c.bad {
		name := c.bytes()
		r.s.applySettings(r.s.queueNamed(name), *c.settings())
	}
	return c.err()
}

// Done ends the restoring. The sections came in order of ids; buried jobs are
// kicked in the order they were buried.
func (r *Restorer) Done() {
	s := r.s
	for _, q := range s.queues {
		if q == nil || q.counts.Buried < 2 {
			continue
		}
		var all []slot
		for at := q.buried.head; at != 0; at = s.jobs.at(at).next {
			all = append(all, at)
		}
		slices.SortStableFunc(all, func(a, b slot) int {
			return cmp.Compare(s.jobs.at(a).due, s.jobs.at(b).due)
		})
		q.buried = list{}
		for _, at := range all {
			s.pushBack(&q.buried, at, s.jobs.mut(at))
		}
	}
}

func (c *cursor) err() error {
	if c.bad {
		return errCorrupt
	}
	return nil
}

func (r *Restorer) uploads(b []byte) error {
	c := cursor{b: b}
	for len(c.b) > 0 && !c.bad {
		k := c.uploadKey()
		for n := c.uv(); n > 0 && !c.bad; n-- {
			r.s.uploads[k] = append(r.s.uploads[k], c.bytes())
		}
	}
	return c.err()
}

func (r *Restorer) readBodies(b []byte) error {
	r.bodies = make(map[JobID][]byte, idPageSize)
	r.sizes = 0
	c := cursor{b: b}
	for len(c.b) > 0 && !c.bad {
		id := JobID(c.uv())
		body := c.bytes()
		r.bodies[id] = body
		r.sizes += uint64(len(body))
	}
	return c.err()
}

var errNoBody = errors.New("a job has no body")

func (r *Restorer) jobs(b []byte) error {
	s := r.s
	var page *idPage
	err := eachRecord(b, func(rec *record) error {
		body, ok := r.bodies[rec.id]
		if !ok || rec.kind != recordPut {
			return errNoBody
		}
		rec.body = body
		if err := s.apply(rec); err != nil {
			return err
		}
		page = s.ids.page(rec.id)
		return nil
	})
	if page != nil {
		// As it is in the snapshot: nothing to write again.
		page.changed, page.added, page.written = 0, 0, r.sizes
	}
	r.bodies = nil
	return err
}
