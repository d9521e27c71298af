package memcache

import (
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// figure is a line of stats.
type figure struct{ name, value string }

type figures []figure

func (f *figures) text(name, value string)      { *f = append(*f, figure{name, value}) }
func (f *figures) number(name string, n uint64) { f.text(name, strconv.FormatUint(n, 10)) }

// stats answers with the figures asked for.
func (c *conn) stats() {
	r := &c.cur
	arg := string(r.arg)
	var f figures
	switch {
	case arg == "reset":
		for i := range c.door.counts {
			c.door.counts[i].Store(0)
		}
		c.sayOr("RESET")
		return
	case arg == "queue" || arg == "" && c.door.area == nil || r.verb == verbDumpStats:
		c.owe(answerStats, r.arg, true)
		c.do(queue.Request{Op: queue.OpAllQueueStats, Seq: seqOwed})
		return
	case arg == "":
		c.door.areaFigures(&f)
	case c.door.area != nil && arg == "settings":
		c.door.settings(&f)
	case c.door.area != nil && (arg == "items" || arg == "slabs" || arg == "sizes" || arg == "conns"):
	case r.style == packets:
		c.reply(outNotFound)
		return
	default:
		c.say(complaintUnknown)
		return
	}
	p := c.pending()
	c.tell(&p, f)
}

// tell answers with figures.
func (c *conn) tell(p *pending, f figures) {
	for _, x := range f {
		if p.style == packets {
			c.packetText(p, x.name, x.value)
		} else {
			c.say("STAT " + x.name + " " + x.value)
		}
	}
	if p.style == packets {
		c.packetText(p, "", "")
	} else {
		c.say("END")
	}
}

// queueStats continues stats with what is known of the queues.
func (c *conn) queueStats(p *pending, r *queue.Result) {
	all, _ := r.Info.([]queue.QueueStats)
	asked := string(c.text[c.said-int(p.key)-int(p.meta) : c.said-int(p.meta)])
	var f figures
	switch {
	case p.verb == verbDumpStats:
		c.dump(all)
		return
	case asked == "queue":
		for i := range all {
			read := min(all[i].Deletes, all[i].TotalJobs)
			f.text(escape(all[i].Name), strconv.FormatUint(all[i].TotalJobs, 10)+"/"+strconv.FormatUint(read, 10))
		}
	default:
		c.door.queueFigures(&f, all)
	}
	c.tell(p, f)
}

// dump answers with the figures by queue.
func (c *conn) dump(all []queue.QueueStats) {
	for i := range all {
		var f figures
		addQueue(&f, "", &all[i])
		c.say("queue '" + escape(all[i].Name) + "' {")
		for _, x := range f {
			c.say("  " + x.name + "=" + x.value)
		}
		c.say("}")
	}
	c.say("END")
}

// common are figures that both kinds of doors have, in the names that memcached and
// Kestrel share.
func (d *Door) common(f *figures) {
	now := d.opts.Clock()
	f.number("uptime", uint64(now.Sub(d.started)/time.Second))
	f.number("time", uint64(now.Unix()))
	f.text("version", d.opts.Version)
}

func (d *Door) counters(f *figures, names []counter) {
	for _, x := range names {
		f.number(x.name, d.counts[x.count].Load())
	}
}

type counter struct {
	name  string
	count count
}

// queueFigures are Kestrel's stats.
func (d *Door) queueFigures(f *figures, all []queue.QueueStats) {
	var sum queue.QueueStats
	for i := range all {
		sum.Ready += all[i].Ready
		sum.Bytes += all[i].Bytes
		sum.TotalJobs += all[i].TotalJobs
	}
	d.common(f)
	f.number("curr_items", sum.Ready)
	f.number("total_items", sum.TotalJobs)
	f.number("bytes", sum.Bytes)
	f.number("curr_connections", uint64(d.open.Load()))
	d.counters(f, []counter{
		{"total_connections", countConnections}, {"cmd_get", countGet}, {"cmd_set", countSet}, {"cmd_peek", countPeek},
		{"get_hits", countGetHits}, {"get_misses", countGetMisses},
		{"bytes_read", countBytesRead}, {"bytes_written", countBytesWritten},
	})
	for i := range all {
		addQueue(f, "queue_"+escape(all[i].Name)+"_", &all[i])
	}
}

// addQueue adds Kestrel's figures of a queue. Every job is in memory, and the log is
// not a queue's.
func addQueue(f *figures, prefix string, q *queue.QueueStats) {
	age := uint64(q.Waited / time.Millisecond)
	if q.Ready == 0 {
		age = 0
	}
	for _, x := range []struct {
		name string
		n    uint64
	}{
		{"items", q.Ready}, {"bytes", q.Bytes}, {"total_items", q.TotalJobs}, {"logsize", 0},
		{"expired_items", q.Expired}, {"mem_items", q.Ready}, {"mem_bytes", q.Bytes}, {"age", age},
		{"discarded", 0}, {"waiters", q.Waiting}, {"open_transactions", q.Reserved},
		{"age_msec", uint64(q.Waited / time.Millisecond)},
	} {
		f.number(prefix+x.name, x.n)
	}
}

// areaFigures are memcached's stats.
func (d *Door) areaFigures(f *figures) {
	a := d.area.stats()
	f.number("pid", uint64(os.Getpid()))
	d.common(f)
	f.number("pointer_size", 64)
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // it cannot fail; zeros would do
	f.text("rusage_user", seconds(usage.Utime))
	f.text("rusage_system", seconds(usage.Stime))
	f.number("curr_connections", uint64(d.open.Load()))
	d.counters(f, []counter{
		{"total_connections", countConnections}, {"cmd_get", countGet}, {"cmd_set", countSet}, {"cmd_flush", countFlush},
		{"cmd_touch", countTouch}, {"get_hits", countGetHits}, {"get_misses", countGetMisses},
		{"delete_misses", countDeleteMisses}, {"delete_hits", countDeleteHits},
		{"incr_misses", countIncrMisses}, {"incr_hits", countIncrHits},
		{"decr_misses", countDecrMisses}, {"decr_hits", countDecrHits},
		{"cas_misses", countCASMisses}, {"cas_hits", countCASHits}, {"cas_badval", countCASBad},
		{"touch_hits", countTouchHits}, {"touch_misses", countTouchMisses},
		{"bytes_read", countBytesRead}, {"bytes_written", countBytesWritten},
	})
	f.number("limit_maxbytes", a.limit)
	f.number("threads", 1)
	f.number("bytes", a.bytes)
	f.number("curr_items", a.items)
	f.number("total_items", a.total)
	f.number("expired_unfetched", a.outdated)
	f.number("evictions", a.evictions)
}

// settings are memcached's stats settings, as far as there are such.
func (d *Door) settings(f *figures) {
	f.number("maxbytes", uint64(d.opts.AreaSize))
	f.number("item_size_max", uint64(d.opts.MaxItemSize))
	f.text("evictions", "on")
	f.text("cas_enabled", "yes")
	f.text("flush_enabled", "yes")
	f.text("binding_protocol", "auto-negotiate")
	f.text("auth_enabled_sasl", "no")
}

// seconds writes t with six decimals.
func seconds(t syscall.Timeval) string {
	return strconv.FormatFloat(time.Duration(t.Nano()).Seconds(), 'f', 6, 64)
}
