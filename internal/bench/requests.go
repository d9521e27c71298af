package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// requests holds what a scenario sends, made once: a batch of n puts or reserves
// is a slice of it. Only deletes are written as they are needed.
type requests struct {
	tubes   []string
	body    []byte
	puts    []byte // a put for every tube in turn, then enough of the first ones for a batch that wraps
	stride  int    // bytes of one put
	bodyAt  int    // where the body is within a put
	using   []string
	reserve []byte
	stamped bool
}

const (
	reserveLine = "reserve\r\n"
	// ttr outlasts any run, so that no lease ends while a worker fills its batch.
	ttr       = 24 * time.Hour
	stampSize = 8
)

// newRequests prepares batches of up to depth requests. With more than one tube
// each put is led by the use of its tube.
func newRequests(tubes []string, size, depth int, delay time.Duration) (*requests, error) {
	r := &requests{tubes: tubes, body: bytes.Repeat([]byte("millrace"), size/8+1)[:size], stamped: delay > 0}
	count := depth
	if len(tubes) > 1 {
		count += len(tubes)
	}
	if total := int64(count) * int64(size+100); total > maxPut {
		return nil, fmt.Errorf("bench: the requests of one batch would take %d MiB; lower depth, size or tubes", total>>20)
	}
	for i := range count {
		if len(tubes) > 1 {
			r.puts = fmt.Appendf(r.puts, "use %s\r\n", tubes[i%len(tubes)])
		}
		r.puts = fmt.Appendf(r.puts, "put 0 %d %d %d\r\n", delay/time.Second, ttr/time.Second, size)
		r.bodyAt = len(r.puts) - i*r.stride
		r.puts = append(r.puts, r.body...)
		r.puts = append(r.puts, "\r\n"...)
		r.stride = len(r.puts) / (i + 1)
	}
	if len(tubes) > 1 {
		for _, t := range tubes {
			r.using = append(r.using, "USING "+t+"\r\n")
		}
	}
	r.reserve = bytes.Repeat([]byte(reserveLine), depth)
	return r, nil
}

// put is a batch of n puts, of which the first goes to the tube of number first.
// Each carries the time now if the scenario asks for it.
func (r *requests) put(first, n int, now int64) []byte {
	batch := r.puts[first*r.stride : (first+n)*r.stride]
	if r.stamped {
		for at := r.bodyAt; at < len(batch); at += r.stride {
			binary.LittleEndian.PutUint64(batch[at:], uint64(now))
		}
	}
	return batch
}

// fillers are n puts without a delay to the tube in use.
func (r *requests) fillers(n int) setup {
	put := fmt.Sprintf("put 0 0 %d %d\r\n%s\r\n", ttr/time.Second, len(r.body), r.body)
	return setup{slices.Repeat([]string{put}, n), "INSERTED "}
}

// advance is the tube that follows n puts from the tube of number first.
func (r *requests) advance(first, n int) int {
	if len(r.using) == 0 {
		return 0
	}
	return (first + n) % len(r.tubes)
}

// appendDeletes appends a delete of each id.
func appendDeletes(b []byte, ids []uint64) []byte {
	for _, id := range ids {
		b = append(b, "delete "...)
		b = strconv.AppendUint(b, id, 10)
		b = append(b, "\r\n"...)
	}
	return b
}

// check says whether a body that came back is the one that was put, and when that was.
func (r *requests) check(id uint64, body []byte) (stamp int64, err error) {
	from := 0
	if r.stamped {
		stamp = int64(binary.LittleEndian.Uint64(body))
		from = stampSize
	}
	if !bytes.Equal(body[from:], r.body[from:]) {
		return 0, fmt.Errorf("job %d came back with another body than was put", id)
	}
	return stamp, nil
}

// inserted reads the replies to one put, sent to the tube of number tube.
func (r *requests) inserted(in []byte, tube int) (used int, err error) {
	if len(r.using) == 0 {
		return inserted(in)
	}
	used, err = word(in, r.using[tube])
	if used == 0 {
		return 0, err
	}
	n, err := inserted(in[used:])
	if n == 0 {
		return 0, err
	}
	return used + n, nil
}

// tubeNames returns n names of one length.
func tubeNames(base string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%06d", base, i)
	}
	return names
}
