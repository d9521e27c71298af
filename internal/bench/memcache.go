package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
)

// Memcache as Options.Protocol is memcached's text protocol. Every connection sets
// values under a key of its own and gets them again, which is putting and taking
// jobs where the key is a queue: a server of queues and memcached itself can be
// compared by it. A job is a set and its get.
const Memcache = "memcache"

// memcacheScenarios are what can be measured by it.
var memcacheScenarios = []Scenario{
	{"put", "connections that only set, each a key of its own", func(o *Options) plan {
		return plan{producers: o.Conns}
	}},
	{"cycle", "connections that set and get, each a key of its own", func(o *Options) plan {
		return plan{players: o.Conns, latency: everyReply}
	}},
	{"pingpong", "one connection: set, get", func(*Options) plan {
		return plan{players: 1, latency: everyReply}
	}},
}

// keyed is a connection that sets and gets its key.
type keyed struct {
	sock     *socket
	sets     []byte // a batch of them
	gets     []byte
	reply    []byte // to one get
	getting  bool
	awaiting int // replies still to come
	sentAt   int64
	partial  []byte // an incomplete reply
	unsent   []byte // what the kernel did not take of the batch
}

// newKeyed connects, and prepares what is sent under a key.
func newKeyed(ctx context.Context, address, key string, size, depth int) (*keyed, error) {
	sock, err := dialReady(ctx, address)
	if err != nil {
		return nil, err
	}
	body := bytes.Repeat([]byte("millrace"), size/8+1)[:size]
	set := fmt.Appendf(nil, "set %s 0 0 %d\r\n%s\r\n", key, size, body)
	get := fmt.Appendf(nil, "get %s\r\n", key)
	return &keyed{
		sock: sock, sets: bytes.Repeat(set, depth), gets: bytes.Repeat(get, depth),
		reply: fmt.Appendf(nil, "VALUE %s 0 %d\r\n%s\r\nEND\r\n", key, size, body),
	}, nil
}

// playMemcache runs one round.
func (s *side) playMemcache(ctx context.Context, m *meter) error {
	poll, err := newPoller()
	if err != nil {
		return err
	}
	defer poll.close()
	l := &keyedLoop{poll: poll, depth: s.opts.Depth, meter: m, setOnly: s.plan.players == 0}
	l.buf = make([]byte, max(256<<10, 2*(s.opts.Size+maxLine)))
	defer l.close()
	var deletes []string
	for i := range s.plan.conns() {
		key := fmt.Sprintf("%s-%d", s.tubes[0], i)
		deletes = append(deletes, "delete "+key+"\r\n")
		c, err := newKeyed(ctx, s.address, key, s.opts.Size, s.opts.Depth)
		if err != nil {
			return err
		}
		l.conns = append(l.conns, c)
		if err := poll.add(c.sock, i); err != nil {
			return err
		}
	}
	err = l.run(ctx)
	if !l.setOnly || s.opts.Keep {
		return err
	}
	cleaner, dialErr := dial(context.WithoutCancel(ctx), s.address)
	if dialErr != nil {
		return errors.Join(err, dialErr)
	}
	defer cleaner.close()
	return errors.Join(err, cleaner.exchange(setup{deletes, "DELETED"}))
}

// keyedLoop drives all connections of a round from one thread, as loop does.
type keyedLoop struct {
	poll     *poller
	depth    int
	meter    *meter
	conns    []*keyed
	buf      []byte
	flying   int   // batches
	heard    int64 // when the last reply came
	setOnly  bool
	stopping bool // get what was set, and set nothing else
}

func (l *keyedLoop) close() {
	for _, c := range l.conns {
		c.sock.close()
	}
}

// run goes on until the meter's window is over or ctx has ended, and everything that
// was set was got.
func (l *keyedLoop) run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := l.poll.begin(); err != nil {
		return err
	}
	l.heard = now()
	for _, c := range l.conns {
		if err := l.send(c, false, l.heard); err != nil {
			return err
		}
	}
	var ready []int
	for l.flying > 0 {
		var err error
		if ready, err = l.poll.wait(ready); err != nil {
			return err
		}
		for _, i := range ready {
			if err := l.service(l.conns[i]); err != nil {
				return explain(err)
			}
		}
		t := now()
		if t-l.heard > int64(patience) {
			return fmt.Errorf("no reply for %v, while %d connections wait", patience, l.flying)
		}
		over, err := l.meter.over(t)
		if err != nil {
			return err
		}
		l.stopping = l.stopping || over || ctx.Err() != nil
	}
	return ctx.Err()
}

// send starts a batch of sets or gets.
func (l *keyedLoop) send(c *keyed, getting bool, t int64) error {
	batch := c.sets
	if getting {
		batch = c.gets
	}
	c.getting, c.awaiting, c.sentAt = getting, l.depth, t
	l.flying++
	n, err := c.sock.write(batch)
	if err == nil && n < len(batch) {
		c.unsent = append(c.unsent[:0], batch[n:]...)
	}
	return err
}

// service takes what a connection received. The poller reports an edge, so a read that
// filled the buffer is followed by another.
func (l *keyedLoop) service(c *keyed) error {
	if len(c.unsent) > 0 {
		n, err := c.sock.write(c.unsent)
		if err != nil {
			return err
		}
		c.unsent = c.unsent[:copy(c.unsent, c.unsent[n:])]
	}
	for {
		held := copy(l.buf, c.partial)
		n, err := c.sock.read(l.buf[held:])
		if err != nil || n == 0 {
			return err
		}
		in := l.buf[:held+n]
		used, err := l.consume(c, in)
		if err != nil {
			return err
		}
		c.partial = append(c.partial[:0], in[used:]...)
		if len(in) < len(l.buf) {
			return nil
		}
	}
}

// consume takes the complete replies in, and after the last of a batch starts the
// next.
func (l *keyedLoop) consume(c *keyed, in []byte) (used int, err error) {
	t := now()
	l.heard = t
	before := c.awaiting
	for c.awaiting > 0 && used < len(in) {
		n, err := c.take(in[used:])
		if err != nil {
			return used, err
		}
		if n == 0 {
			break
		}
		used += n
		c.awaiting--
	}
	kind := putStep
	if c.getting {
		kind = reserveStep
	}
	l.meter.replies(kind, before-c.awaiting, t-c.sentAt)
	switch {
	case c.awaiting > 0:
		return used, nil
	case used < len(in):
		return used, fmt.Errorf("received %q, which nothing asked for", in[used:min(len(in), used+80)])
	}
	l.flying--
	if l.stopping && (c.getting || l.setOnly) {
		return used, nil
	}
	return used, l.send(c, !c.getting && !l.setOnly, t)
}

// take reads one reply at the start of in; 0 means that it is not complete.
func (c *keyed) take(in []byte) (int, error) {
	if !c.getting {
		return word(in, "STORED\r\n")
	}
	n := min(len(in), len(c.reply))
	if !bytes.Equal(in[:n], c.reply[:n]) {
		return 0, fmt.Errorf("%w; was it set by somebody else?", unexpected(in, string(c.reply[:min(len(c.reply), 80)])))
	}
	if n < len(c.reply) {
		return 0, nil
	}
	return n, nil
}

// checkProtocol reports a protocol that is not known.
func (o *Options) checkProtocol() error {
	if o.Protocol != Beanstalk && o.Protocol != Memcache && o.Protocol != Gearman {
		return fmt.Errorf("bench: protocol is %q; give %s, %s or %s", o.Protocol, Beanstalk, Memcache, Gearman)
	}
	return nil
}
