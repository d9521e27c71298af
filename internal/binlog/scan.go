package binlog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errEnd says that a file holds no further records.
var errEnd = errors.New("end of records")

// scanner reads the records of one file into a Backlog.
type scanner struct {
	backlog *Backlog
	file    int
	in      *bufio.Reader
	offset  int64
	format  format
}

// scan reads in to its end. The error says why it stopped before; the offset it
// returns is the start of the record it could not read.
func (b *Backlog) scan(file int, in io.Reader) (offset int64, err error) {
	s := &scanner{backlog: b, file: file, in: bufio.NewReaderSize(in, 64<<10)}
	version := make([]byte, 4)
	if err := s.read(version, "version"); err != nil {
		return 0, err
	}
	number := int32(binary.LittleEndian.Uint32(version))
	f, ok := formats[number]
	if !ok {
		return 0, fmt.Errorf("binlog version %d is unknown (5 and 7 are known)", number)
	}
	s.format = f
	for {
		start := s.offset
		if err := s.record(); err == errEnd {
			return start, nil
		} else if err != nil {
			return start, err
		}
	}
}

// record reads one record and applies it.
func (s *scanner) record() error {
	name, err := s.name()
	if err != nil {
		return err
	}
	fixed := make([]byte, s.format.jobSize)
	if err := s.read(fixed, "job"); err != nil {
		return err
	}
	r := s.format.parse(fixed)
	if r.job.ID == 0 {
		return errEnd // zeros
	}
	if name == "" {
		return s.backlog.update(r)
	}
	r.job.Tube, r.job.file, r.job.offset = name, s.file, s.offset
	if err := s.body(r.bodySize); err != nil {
		return err
	}
	return s.backlog.add(r)
}

// name reads the tube's name; "" means that the record has none.
func (s *scanner) name() (string, error) {
	length := make([]byte, 8) // of version 7 the upper half stays zero
	if _, err := s.in.Peek(1); err == io.EOF {
		return "", errEnd
	}
	if err := s.read(length[:s.format.lengthSize], "length of a tube's name"); err != nil {
		return "", err
	}
	n := binary.LittleEndian.Uint64(length)
	if n > maxName {
		return "", fmt.Errorf("a tube's name of %d bytes is longer than %d", n, maxName)
	}
	name := make([]byte, n)
	if err := s.read(name, "tube's name"); err != nil {
		return "", err
	}
	if strings.Trim(string(name), nameBytes) != "" || strings.HasPrefix(string(name), "-") {
		return "", fmt.Errorf("%q is not the name of a tube", name)
	}
	return string(name), nil
}

// body skips a body, after a look at how it ends: the only check there is that
// this is a body at all.
func (s *scanner) body(size int32) error {
	if size < 2 {
		return fmt.Errorf("a body of %d bytes is too short to end in CRLF", size)
	}
	n, err := s.in.Discard(int(size) - 2)
	s.offset += int64(n)
	if err == io.EOF {
		return fmt.Errorf("the file ends inside a body of %d bytes", size)
	} else if err != nil {
		return err
	}
	end := make([]byte, 2)
	if err := s.read(end, "body"); err != nil {
		return err
	}
	if string(end) != "\r\n" {
		return errors.New("a body does not end in CRLF")
	}
	return nil
}

// read fills b; what names it in an error.
func (s *scanner) read(b []byte, what string) error {
	n, err := io.ReadFull(s.in, b)
	s.offset += int64(n)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("the file ends inside the %s", what)
	}
	return err
}
