package gearman

import (
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/queue"
)

// askAll asks for the figures of all queues, and answers with what lines makes of
// those that are functions.
func (c *conn) askAll(lines func([]function) []byte) {
	c.start(queue.Request{Op: queue.OpAllQueueStats}, func(r *queue.Result) task {
		all, _ := r.Info.([]queue.QueueStats)
		c.out.Bytes(lines(c.functions(all)))
		c.out.String(endOfList)
		return nil
	})
}

// function is a queue as the administrative commands show it.
type function struct {
	queue.QueueStats
	workers int
}

// functions are the queues with jobs or workers, those created here, and those once
// named here.
func (c *conn) functions(all []queue.QueueStats) []function {
	named := c.door.registry.workers()
	list := make([]function, 0, len(all)+len(named))
	for _, q := range all {
		workers, known := named[q.Name]
		delete(named, q.Name)
		// Every connection watches the default queue until it says otherwise.
		if q.Name != queue.DefaultQueue {
			workers = max(workers, int(q.Watching))
		} else if jobs := q.Ready + q.Reserved + q.Delayed; !known && jobs == 0 {
			continue
		}
		list = append(list, function{q, workers})
	}
	for name, workers := range named {
		list = append(list, function{queue.QueueStats{Name: name}, workers})
	}
	slices.SortFunc(list, func(a, b function) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// statusLines has name, jobs, jobs that are worked on, and workers.
func (c *conn) statusLines(list []function) (b []byte) {
	for _, f := range list {
		b = append(b, printable(f.Name)...)
		b = appendColumns(b, f.Ready+f.Reserved+f.Delayed, f.Reserved, uint64(f.workers))
	}
	return b
}

// priorityLines has name, the jobs that wait with high, normal and low priority, and
// workers. A job that waits for its time counts as normal, as what EPOCH submits is.
func (c *conn) priorityLines(list []function) (b []byte) {
	for _, f := range list {
		b = append(b, printable(f.Name)...)
		b = appendColumns(b, f.Urgent, f.Ready-f.Urgent-f.Low+f.Delayed, f.Low, uint64(f.workers))
	}
	return b
}

func appendColumns(b []byte, columns ...uint64) []byte {
	for _, n := range columns {
		b = strconv.AppendUint(append(b, '\t'), n, 10)
	}
	return append(b, '\n')
}

// workerLines has number, address, name and functions of each connection.
func (c *conn) workerLines() string {
	var b strings.Builder
	for _, e := range c.door.registry.list() {
		b.WriteString(strconv.FormatUint(e.number, 10) + " " + e.host + " " + printable(e.id) + " :")
		for _, f := range slices.Backward(e.functions) {
			b.WriteString(" " + printable(f))
		}
		b.WriteByte('\n')
	}
	b.WriteString(endOfList)
	return b.String()
}

// listPage is how many jobs are listed at a time.
const listPage = 1000

// show lists the jobs, or their unique keys.
func (c *conn) show(args [][]byte) {
	line := c.jobLine
	switch {
	case len(args) == 2 && isWord(args[0], "unique") && isWord(args[1], "jobs"):
		line = uniqueLine
	case len(args) != 1 || !isWord(args[0], "jobs"):
		c.say("ERR UNKNOWN_SHOW_ARGUMENTS\r\n")
		return
	}
	var page task
	page = func(r *queue.Result) task {
		jobs, _ := r.Info.([]queue.JobStats)
		var b []byte
		for i := range jobs {
			b = line(b, &jobs[i])
		}
		c.out.Bytes(b)
		if len(jobs) == 0 {
			c.out.String(endOfList)
			return nil
		}
		c.ask(queue.Request{Op: queue.OpList, ID: jobs[len(jobs)-1].ID, N: listPage})
		return page
	}
	c.start(queue.Request{Op: queue.OpList, N: listPage}, page)
}

// jobLine has handle, how often a worker failed the job, whether it is not to be tried
// again, and whether it is durable.
func (c *conn) jobLine(b []byte, s *queue.JobStats) []byte {
	tries := s.Reserves
	if s.Phase == queue.Reserved {
		tries--
	}
	b = c.door.appendHandle(b, s.ID)
	return appendColumns(b, uint64(tries), one(s.Orphan), one(!s.Volatile))
}

func one(set bool) uint64 {
	if set {
		return 1
	}
	return 0
}

func uniqueLine(b []byte, s *queue.JobStats) []byte {
	return append(append(b, printable(shownUnique(s.Unique))...), '\n')
}
