package beanstalk

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

var wantStats = `---
current-jobs-urgent: 1
current-jobs-ready: 2
current-jobs-reserved: 3
current-jobs-delayed: 4
current-jobs-buried: 5
cmd-put: 7
cmd-peek: 0
cmd-peek-ready: 0
cmd-peek-delayed: 0
cmd-peek-buried: 0
cmd-reserve: 0
cmd-reserve-with-timeout: 8
cmd-delete: 0
cmd-release: 0
cmd-use: 0
cmd-watch: 0
cmd-ignore: 0
cmd-bury: 0
cmd-kick: 0
cmd-touch: 0
cmd-stats: 0
cmd-stats-job: 0
cmd-stats-tube: 0
cmd-list-tubes: 0
cmd-list-tube-used: 0
cmd-list-tubes-watched: 0
cmd-pause-tube: 0
job-timeouts: 6
total-jobs: 9
max-job-size: 65535
current-tubes: 10
current-connections: 0
current-producers: 0
current-workers: 0
current-waiting: 11
total-connections: 0
pid: ` + fmt.Sprint(os.Getpid()) + `
version: "1.2"
rusage-utime: *
rusage-stime: *
uptime: 61
binlog-oldest-index: 1
binlog-current-index: 2
binlog-records-migrated: 3
binlog-records-written: 4
binlog-max-size: 5
draining: true
id: 0123456789abcdef
hostname: "host"
os: "os"
platform: "platform"
`

const wantTubeStats = `---
name: "t"
current-jobs-urgent: 1
current-jobs-ready: 2
current-jobs-reserved: 3
current-jobs-delayed: 4
current-jobs-buried: 5
total-jobs: 6
current-using: 7
current-watching: 8
current-waiting: 9
cmd-delete: 10
cmd-pause-tube: 11
pause: 12
pause-time-left: 11
`

const wantJobStats = `---
id: 1
tube: "t"
state: reserved
pri: 2
age: 3
delay: 4
ttr: 5
time-left: 4
file: 0
reserves: 6
timeouts: 7
releases: 8
buries: 9
kicks: 10
`

// TestStatsText holds the documents to the letter.
func TestStatsText(t *testing.T) {
	now := time.Now()
	d := New(Options{
		Version: "1.2", ID: "0123456789abcdef", Hostname: "host", OS: "os", Platform: "platform",
		Clock:  func() time.Time { return now },
		Binlog: func() Binlog { return Binlog{1, 2, 3, 4, 5} },
	})
	now = now.Add(61500 * time.Millisecond)
	d.Drain()
	d.counts[cmdPut].Store(7)
	d.counts[cmdReserveTimeout].Store(8)
	counts := queue.Counts{Urgent: 1, Ready: 2, Reserved: 3, Delayed: 4, Buried: 5}

	y := newYAML()
	d.stats(&y, &queue.Stats{Counts: counts, Timeouts: 6, TotalJobs: 9, Queues: 10, Waiting: 11})
	got := regexp.MustCompile(`(rusage-.time: )\d+\.\d{6}`).ReplaceAllString(string(y), "$1*")
	if got != wantStats {
		t.Errorf("stats:\n%s", got)
	}
	y = newYAML()
	tubeStats(&y, &queue.QueueStats{Name: "t", Counts: counts, TotalJobs: 6, Using: 7, Watching: 8, Waiting: 9,
		Deletes: 10, Pauses: 11, Pause: 12 * time.Second, PauseLeft: 11999 * time.Millisecond})
	if string(y) != wantTubeStats {
		t.Errorf("stats-tube:\n%s", y)
	}
	y = newYAML()
	jobStats(&y, &queue.JobStats{ID: 1, Queue: "t", Phase: queue.Reserved, Pri: 2, Age: 3 * time.Second, Delay: 4 * time.Second,
		TTR: 5 * time.Second, Left: 4999 * time.Millisecond, Reserves: 6, Timeouts: 7, Releases: 8, Buries: 9, Kicks: 10})
	if string(y) != wantJobStats {
		t.Errorf("stats-job:\n%s", y)
	}
}

// TestStatsKeys asks beanstalkd for its documents and compares keys and order.
func TestStatsKeys(t *testing.T) {
	if !*oracle {
		t.Skip("asks the installed beanstalkd, with -oracle")
	}
	c := newScriptClient(startBeanstalkd(t).dial())
	defer c.conn.Close()
	fmt.Fprint(c.conn, "put 0 0 60 1\r\nx\r\n")
	if err := c.expect("INSERTED 1\r\n"); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]string{"stats": wantStats, "stats-tube default": wantTubeStats, "stats-job 1": wantJobStats} {
		fmt.Fprint(c.conn, command+"\r\n")
		if err := c.readYAML(); err != nil {
			t.Fatal(err)
		}
		if theirs, ours := keys(c.yaml), keys(strings.Split(strings.TrimSpace(want), "\n")[1:]); !slices.Equal(theirs, ours) {
			t.Errorf("%s: beanstalkd has %q, we have %q", command, theirs, ours)
		}
	}
}

func keys(lines []string) (keys []string) {
	for _, line := range lines {
		key, _, _ := strings.Cut(line, ":")
		keys = append(keys, key)
	}
	return keys
}
