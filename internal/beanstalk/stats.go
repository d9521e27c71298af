package beanstalk

import (
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// yaml is a document in the making. beanstalkd's clients read it with parsers of
// their own, so keys, their order and the quotes are as in beanstalkd 1.13.
type yaml []byte

func newYAML() yaml { return yaml("---\n") }

func (y *yaml) item(name string) {
	*y = append(append(append(*y, "- "...), name...), '\n')
}

func (y *yaml) key(name string) { *y = append(append(*y, name...), ": "...) }

func (y *yaml) number(key string, n uint64) {
	y.key(key)
	*y = append(strconv.AppendUint(*y, n, 10), '\n')
}

func (y *yaml) seconds(key string, d time.Duration) {
	y.key(key)
	*y = append(strconv.AppendInt(*y, int64(d/time.Second), 10), '\n')
}

// left writes the whole seconds until something happens. beanstalkd's clock has
// always moved on a little since it was set; ours may stand still meanwhile.
func (y *yaml) left(key string, d time.Duration) { y.seconds(key, max(d-1, 0)) }

func (y *yaml) word(key, value string) {
	y.key(key)
	*y = append(append(*y, value...), '\n')
}

func (y *yaml) quoted(key, value string) { y.word(key, `"`+value+`"`) }

// replyYAML writes what a request found out as a document.
func (c *conn) replyYAML(info any) {
	y := newYAML()
	switch i := info.(type) {
	case []string:
		for _, name := range i {
			y.item(name)
		}
	case *queue.Stats:
		c.door.stats(&y, i)
	case *queue.QueueStats:
		tubeStats(&y, i)
	case *queue.JobStats:
		jobStats(&y, i)
	}
	c.out.Bytes(c.numberLine("OK ", uint64(len(y))))
	c.out.Bytes(y)
	c.out.String("\r\n")
}

// countedCommands are the counters of stats, in its order.
var countedCommands = [...]command{
	cmdPut, cmdPeek, cmdPeekReady, cmdPeekDelayed, cmdPeekBuried,
	cmdReserve, cmdReserveTimeout, cmdDelete, cmdRelease,
	cmdUse, cmdWatch, cmdIgnore, cmdBury, cmdKick, cmdTouch,
	cmdStats, cmdStatsJob, cmdStatsTube,
	cmdListTubes, cmdListTubeUsed, cmdListTubesWatched, cmdPauseTube,
}

func (d *Door) stats(y *yaml, s *queue.Stats) {
	counts(y, &s.Counts)
	for _, c := range countedCommands {
		y.number("cmd-"+c.name(), d.counts[c].Load())
	}
	y.number("job-timeouts", s.Timeouts)
	y.number("total-jobs", s.TotalJobs)
	y.number("max-job-size", uint64(d.opts.MaxJobSize))
	y.number("current-tubes", s.Queues)
	y.number("current-connections", uint64(d.connections.Load()))
	y.number("current-producers", uint64(d.producers.Load()))
	y.number("current-workers", uint64(d.workers.Load()))
	y.number("current-waiting", s.Waiting)
	y.number("total-connections", d.everOpened.Load())
	y.number("pid", uint64(os.Getpid()))
	y.quoted("version", d.opts.Version)
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // it cannot fail; zeros would do
	y.word("rusage-utime", cpuTime(usage.Utime))
	y.word("rusage-stime", cpuTime(usage.Stime))
	y.seconds("uptime", d.opts.Clock().Sub(d.started))
	log := d.opts.Binlog()
	y.number("binlog-oldest-index", log.OldestIndex)
	y.number("binlog-current-index", log.CurrentIndex)
	y.number("binlog-records-migrated", log.RecordsMigrated)
	y.number("binlog-records-written", log.RecordsWritten)
	y.number("binlog-max-size", log.MaxSize)
	y.word("draining", strconv.FormatBool(d.draining.Load()))
	y.word("id", d.opts.ID)
	y.quoted("hostname", d.opts.Hostname)
	y.quoted("os", d.opts.OS)
	y.quoted("platform", d.opts.Platform)
}

func counts(y *yaml, c *queue.Counts) {
	y.number("current-jobs-urgent", c.Urgent)
	y.number("current-jobs-ready", c.Ready)
	y.number("current-jobs-reserved", c.Reserved)
	y.number("current-jobs-delayed", c.Delayed)
	y.number("current-jobs-buried", c.Buried)
}

func tubeStats(y *yaml, s *queue.QueueStats) {
	y.quoted("name", s.Name)
	counts(y, &s.Counts)
	y.number("total-jobs", s.TotalJobs)
	y.number("current-using", s.Using)
	y.number("current-watching", s.Watching)
	y.number("current-waiting", s.Waiting)
	y.number("cmd-delete", s.Deletes)
	y.number("cmd-pause-tube", s.Pauses)
	y.seconds("pause", s.Pause)
	y.left("pause-time-left", s.PauseLeft)
}

func jobStats(y *yaml, s *queue.JobStats) {
	y.number("id", uint64(s.ID))
	y.quoted("tube", s.Queue)
	y.word("state", s.Phase.String())
	y.number("pri", uint64(s.Pri))
	y.seconds("age", s.Age)
	y.seconds("delay", s.Delay)
	y.seconds("ttr", s.TTR)
	y.left("time-left", s.Left)
	y.number("file", 0) // which file of the log holds a job is not the queue's to know
	y.number("reserves", uint64(s.Reserves))
	y.number("timeouts", uint64(s.Timeouts))
	y.number("releases", uint64(s.Releases))
	y.number("buries", uint64(s.Buries))
	y.number("kicks", uint64(s.Kicks))
}

// cpuTime writes t as seconds with six decimals.
func cpuTime(t syscall.Timeval) string {
	d := time.Duration(t.Nano())
	return strconv.FormatFloat(d.Seconds(), 'f', 6, 64)
}
