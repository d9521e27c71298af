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

// Restorer fills an empty state from the sections of a snapshot. Bodies go where
// they stay as they are read, so that a restart needs no more memory than what it
// ends with.
type Restorer struct {
	s      *State
	bodies map[JobID]storedBody // of the page whose jobs come next
	sizes  uint64               // of the section they were in
}

// storedBody is a body that is in its place already.
type storedBody struct {
	ref  bodyRef
	size uint32
}

// NewRestorer starts the restoring of s, which must be new.
func NewRestorer(s *State) *Restorer { return &Restorer{s: s} }

// Section takes the next section.
func (r *Restorer) Section(key uint64, in io.Reader) error {
	var err error
	switch {
	case key == sectionGlobal:
		err = r.whole(in, r.global)
	case key == sectionUploads:
		err = r.uploads(bufio.NewReader(in))
	case key%2 == 0:
		err = r.readBodies(bufio.NewReaderSize(in, arenaPage))
	default:
		err = r.whole(in, r.jobs)
	}
	if err != nil {
		return fmt.Errorf("section %d of the snapshot: %w", key, err)
	}
	return nil
}

// whole takes a section without bodies at once.
func (r *Restorer) whole(in io.Reader, take func([]byte) error) error {
	b, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	return take(b)
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

func (r *Restorer) uploads(in *bufio.Reader) error {
	for {
		session, err := binary.ReadUvarint(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		upload, err2 := binary.ReadUvarint(in)
		n, err3 := binary.ReadUvarint(in)
		if err := errors.Join(err, err2, err3); err != nil {
			return err
		}
		k := uploadKey{SessionID(session), upload}
		for ; n > 0; n-- {
			size, err := binary.ReadUvarint(in)
			if err != nil {
				return err
			}
			pieces, err := readPieces(in, size)
			if err != nil {
				return err
			}
			r.s.uploads[k] = append(r.s.uploads[k], pieces...)
		}
	}
}

// readBodies stores the bodies of a page.
func (r *Restorer) readBodies(in *bufio.Reader) error {
	r.bodies = make(map[JobID]storedBody, idPageSize)
	r.sizes = 0
	for {
		id, err := binary.ReadUvarint(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		size, err2 := binary.ReadUvarint(in)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		body := storedBody{size: uint32(size)}
		if body.ref, err = r.readBody(in, size); err != nil {
			return err
		}
		r.bodies[JobID(id)] = body
		r.sizes += size
	}
}

func (r *Restorer) readBody(in io.Reader, size uint64) (bodyRef, error) {
	switch {
	case size == 0:
		return 0, nil
	case size > maxSmall:
		pieces, err := readPieces(in, size)
		return r.s.bodies.putLarge(pieces), err
	}
	ref, place := r.s.bodies.place(classOf(int(size)))
	_, err := io.ReadFull(in, place[:size])
	return ref, err
}

// readPieces reads size bytes, in pieces as long as those of a body that arrives in
// chunks, and at least one.
func readPieces(in io.Reader, size uint64) (pieces [][]byte, err error) {
	for {
		piece := make([]byte, min(size, MaxInlineBody))
		if _, err := io.ReadFull(in, piece); err != nil {
			return nil, err
		}
		pieces = append(pieces, piece)
		if size -= uint64(len(piece)); size == 0 {
			return pieces, nil
		}
	}
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
		delete(r.bodies, rec.id)
		rec.stored = &body
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
	for _, body := range r.bodies { // of jobs that are gone
		s.bodies.drop(body.ref)
	}
	r.bodies = nil
	return err
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
