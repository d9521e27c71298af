package crash

import (
	"maps"
	"slices"
	"strconv"
)

// audit asks a server that was just started, and has no other client, for every job
// of the ledger.
func (l *ledger) audit(addr string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	// Asked in pieces whose commands fit the socket's buffers.
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(l.byID)), 64) {
		for _, id := range ids {
			if err := c.send("peek %d\r\nstats-job %d", id, id); err != nil {
				return err
			}
		}
		for _, id := range ids {
			found, err := c.readJob()
			if err != nil {
				return err
			}
			stats, err := c.readJob()
			if err != nil {
				return err
			}
			l.auditJob(l.byID[id], found, stats)
		}
	}
	return l.auditCount(c)
}

// auditJob compares one job with what the server says of it, and takes over what
// was not sure.
func (l *ledger) auditJob(j *job, found, stats reply) {
	if found.word == "NOT_FOUND" && stats.word == "NOT_FOUND" {
		if !j.deleted && j.deleting == 0 {
			l.violation("job %d is lost", j.id)
		}
		j.deleted = true
		delete(l.byID, j.id)
		delete(l.byName, name(j.body))
		return
	}
	if found.word != "FOUND" || stats.word != "OK" {
		l.violation("job %d: peek answers %q, stats-job %q", j.id, found.word, stats.word)
		return
	}
	l.seen(found)
	pri, _ := strconv.ParseUint(field(stats.body, "pri"), 10, 32)
	state := field(stats.body, "state")
	if j.changing == 0 && (uint32(pri) != j.pri || (state == "buried") != j.buried) {
		l.violation("job %d is %s with priority %d; it should have priority %d, buried: %v", j.id, state, pri, j.pri, j.buried)
	}
	if state == "reserved" {
		l.violation("job %d is reserved, and nobody is there", j.id)
	}
	j.pri, j.buried = uint32(pri), state == "buried"
	j.changing, j.deleting = 0, 0
}

// auditCount finds jobs that no id leads to: there may be as many as puts are
// without an answer.
func (l *ledger) auditCount(c *conn) error {
	stats, err := c.job("stats")
	if err != nil {
		return err
	}
	total := 0
	for _, state := range []string{"ready", "delayed", "buried", "reserved"} {
		n, err := strconv.Atoi(field(stats.body, "current-jobs-"+state))
		if err != nil {
			return err
		}
		total += n
	}
	if total < len(l.byID) || total > len(l.byName) {
		l.violation("the server counts %d jobs; %d were found, and %d puts are without an answer", total, len(l.byID), len(l.byName)-len(l.byID))
	}
	return nil
}

// drain takes every job out of a server without another client.
func (l *ledger) drain(addr string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, tube := range tubes {
		for _, command := range []string{"use " + tube, "watch " + tube} {
			if _, err := c.call("%s", command); err != nil {
				return err
			}
		}
		for answer := ""; answer != "KICKED 0"; {
			if answer, err = c.call("kick 1000000"); err != nil {
				return err
			}
		}
	}
	for {
		r, err := c.job("reserve-with-timeout 0")
		if err != nil {
			return err
		}
		if r.word != "RESERVED" {
			break
		}
		j := l.delivered(1, r)
		if j == nil {
			continue
		}
		got, err := c.call("delete %d", r.id)
		if err != nil {
			return err
		}
		l.answer(j, got, func(j *job) { j.deleted = true }, "DELETED")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, j := range l.byID {
		if !j.deleted {
			l.violation("job %d was never delivered", id)
		}
	}
	return nil
}
