package engine

import "time"

// clock is the engine's: it starts as wall time and then runs on the monotonic
// clock, so that a jump of the wall clock moves no deadline.
type clock struct {
	base    int64     // ns since 1970 at started
	started time.Time // has a monotonic reading
}

func (c *clock) start(wall time.Time) {
	c.base, c.started = wall.UnixNano(), time.Now()
}

// now returns the time in ns since 1970.
func (c *clock) now() int64 { return c.base + int64(time.Since(c.started)) }

// continueFrom makes the clock go on from t if it is behind: it never goes back,
// not over a restart nor a change of who leads.
func (c *clock) continueFrom(t int64) {
	if now := c.now(); now < t {
		c.base += t - now
	}
}
