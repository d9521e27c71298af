package crash

import (
	"fmt"
	"math/rand/v2"
)

// client puts and works jobs as its random source tells, until its connection ends.
type client struct {
	*conn
	n      int // from 1
	rnd    *rand.Rand
	ledger *ledger
	names  int    // bodies so far
	holds  []*job // reserved by this connection
}

// tubes are few, so that clients meet.
var tubes = []string{"default", "a", "b"}

// work sends requests until one fails, and returns why.
func (c *client) work(addr string) (err error) {
	if c.conn, err = dial(addr); err != nil {
		return err
	}
	defer c.Close()
	c.holds = nil
	for _, tube := range tubes[1:] {
		if _, err := c.call("watch %s", tube); err != nil {
			return err
		}
	}
	for err == nil {
		err = c.request()
	}
	return err
}

// request sends one request at random: puts and deletes in balance.
func (c *client) request() error {
	if len(c.holds) > 0 && c.rnd.IntN(3) > 0 {
		return c.finish()
	}
	switch p := c.rnd.IntN(100); {
	case p < 40:
		return c.put(1)
	case p < 44:
		return c.put(1 + c.rnd.IntN(16))
	case p < 84:
		return c.reserve()
	case p < 92:
		return c.deleteAny()
	default:
		return c.kick()
	}
}

// put sends n puts at once and then reads their answers.
func (c *client) put(n int) error {
	if err := c.send("use %s", tubes[c.rnd.IntN(len(tubes))]); err != nil {
		return err
	}
	if _, err := c.line(); err != nil {
		return err
	}
	jobs := make([]*job, n)
	var pipeline []byte
	for i := range jobs {
		c.names++
		body := newBody(c.rnd, fmt.Sprintf("%d.%d", c.n, c.names), c.size())
		j := c.ledger.putting(body, c.rnd.Uint32N(4))
		jobs[i] = j
		pipeline = fmt.Appendf(pipeline, "put %d %d 600 %d\r\n%s\r\n", j.pri, c.rnd.IntN(20)/19, len(body), body)
	}
	if _, err := c.Write(pipeline); err != nil {
		return err
	}
	for _, j := range jobs {
		answer, err := c.line()
		if err != nil {
			return err
		}
		c.ledger.inserted(j, inserted(answer))
	}
	return nil
}

// size is mostly small, sometimes large, and now and then more than one piece of a
// log is.
func (c *client) size() int {
	switch p := c.rnd.IntN(200); p {
	case 0:
		return 300_000 + c.rnd.IntN(300_000)
	case 1, 2, 3, 4:
		return c.rnd.IntN(60_000)
	default:
		return c.rnd.IntN(300)
	}
}

func (c *client) reserve() error {
	r, err := c.conn.job("reserve-with-timeout 0")
	if err != nil || r.word != "RESERVED" {
		return err
	}
	if j := c.ledger.delivered(c.n, r); j != nil {
		c.holds = append(c.holds, j)
	}
	return nil
}

// finish deletes, releases, buries or touches a job that the client holds.
func (c *client) finish() error {
	i := c.rnd.IntN(len(c.holds))
	j := c.holds[i]
	p := c.rnd.IntN(10)
	if p == 9 {
		return c.ask(j, "TOUCHED", fmt.Sprintf("touch %d", j.id), func(*job) {}, func(*job) {})
	}
	c.holds[i] = c.holds[len(c.holds)-1]
	c.holds = c.holds[:len(c.holds)-1]
	if p < 6 {
		return c.ask(j, "DELETED", fmt.Sprintf("delete %d", j.id),
			func(j *job) { j.holder = 0; j.deleting++ },
			func(j *job) { j.deleted = true; j.deleting-- })
	}
	pri, bury := c.rnd.Uint32N(4), p < 8
	command, want := fmt.Sprintf("release %d %d 0", j.id, pri), "RELEASED"
	if bury {
		command, want = fmt.Sprintf("bury %d %d", j.id, pri), "BURIED"
	}
	return c.ask(j, want, command,
		func(j *job) { j.holder, j.pri, j.buried = 0, pri, bury; j.changing++ },
		func(j *job) { j.changing-- })
}

// ask sends a request that must be granted.
func (c *client) ask(j *job, want, command string, before, after func(*job)) error {
	c.ledger.asking(j, before)
	got, err := c.call("%s", command)
	if err == nil {
		c.ledger.answer(j, got, after, want)
	}
	return err
}

// deleteAny deletes a job that nobody holds; another client may be faster.
func (c *client) deleteAny() error {
	j := c.ledger.any(c.rnd, func(j *job) bool { return j.holder == 0 && j.deleting == 0 })
	if j == nil {
		return nil
	}
	c.ledger.asking(j, func(j *job) { j.deleting++ })
	got, err := c.call("delete %d", j.id)
	if err == nil {
		c.ledger.answer(j, got, func(j *job) {
			j.deleted = j.deleted || got == "DELETED"
			j.deleting--
		}, "DELETED", "NOT_FOUND")
	}
	return err
}

// kick makes one buried job ready; another client may be faster.
func (c *client) kick() error {
	j := c.ledger.any(c.rnd, func(j *job) bool { return j.buried && j.changing == 0 })
	if j == nil {
		return nil
	}
	c.ledger.asking(j, func(j *job) { j.buried = false; j.changing++ })
	got, err := c.call("kick-job %d", j.id)
	if err == nil {
		c.ledger.answer(j, got, func(j *job) { j.changing-- }, "KICKED", "NOT_FOUND")
	}
	return err
}
