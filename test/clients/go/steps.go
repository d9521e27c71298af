package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beanstalkd/go-beanstalk"
)

var steps = []step{
	{"put, reserve, delete", putReserveDelete},
	{"use, watch, ignore", useWatchIgnore},
	{"priority comes before age", priority},
	{"delay", delay},
	{"timed out, deadline soon, lease ended", lease},
	{"touch", touch},
	{"release", release},
	{"bury, kick, kick-job", bury},
	{"peek, reserve-job", peek},
	{"stats", stats},
	{"pause", pause},
	{"bodies: empty, binary, the largest", bodies},
	{"many jobs, each once", many},
	{"two connections", two},
}

func fails(err, want error, what string) {
	if !errors.Is(err, want) {
		panic(fmt.Sprintf("%s: want %v, got %v", what, want, err))
	}
}

func putReserveDelete() {
	q := on("default")
	defer q.Close()
	put := q.put("hello")
	id, body := q.takes(0)
	same(put, id, "id")
	same("hello", body, "body")
	same("reserved", ok(q.StatsJob(id))["state"], "state")
	done(q.Delete(id))
	fails(q.Delete(id), beanstalk.ErrNotFound, "a second delete")
	q.empty(0, "nothing is left")
}

func useWatchIgnore() {
	q := on("first")
	defer q.Close()
	q.put("x")
	both := beanstalk.NewTubeSet(q.Conn, "first", "second")
	id, _, err := both.Reserve(0)
	done(err)
	second := ok(beanstalk.NewTube(q.Conn, "second").Stats())
	same("1", second["current-watching"], "watchers of second")
	_, _, err = beanstalk.NewTubeSet(q.Conn, "first").Reserve(0)
	fails(err, beanstalk.ErrTimeout, "nothing in first")
	check(!slices.Contains(ok(q.ListTubes()), "second"), "second is gone with its last watcher")
	done(q.Delete(id))
	_, err = beanstalk.NewTube(q.Conn, "no,commas").Put(nil, 0, 0, 0)
	check(errors.As(err, new(beanstalk.NameError)), "a bad name is refused")
}

func priority() {
	q := on("priority")
	defer q.Close()
	for i, pri := range []uint32{4294967295, 10, 0, 1024, 10} {
		ok(q.tube.Put([]byte(strconv.Itoa(i)), pri, 0, time.Minute))
	}
	var order strings.Builder
	for range 5 {
		id, body := q.takes(0)
		order.WriteString(body)
		done(q.Delete(id))
	}
	same("21430", order.String(), "order")
}

func delay() {
	q := on("delay")
	defer q.Close()
	put := ok(q.tube.Put([]byte("later"), 5, time.Second, time.Minute))
	id, _, err := q.tube.PeekDelayed()
	done(err)
	same(put, id, "peek-delayed")
	_, _, err = q.tube.PeekReady()
	fails(err, beanstalk.ErrNotFound, "peek-ready")
	q.empty(0, "not yet")
	s := ok(q.StatsJob(put))
	same("delayed 5 1 60", strings.Join([]string{s["state"], s["pri"], s["delay"], s["ttr"]}, " "), "stats-job")
	since := time.Now()
	q.takes(4 * time.Second)
	check(time.Since(since) > time.Second/2, "it came late")
	done(q.Delete(put))
}

func lease() {
	q, other := on("lease"), on("lease")
	defer q.Close()
	defer other.Close()
	since := time.Now()
	q.empty(time.Second, "no job")
	check(time.Since(since) > 900*time.Millisecond, "it waited")
	put := ok(q.tube.Put([]byte("slow"), 1, 0, 2*time.Second))
	q.takes(0)
	_, _, err := q.set.Reserve(3 * time.Second)
	fails(err, beanstalk.ErrDeadline, "reserve while a lease ends")
	var again uint64
	for tries := 0; again == 0 && tries < 5; tries++ {
		again, _, _ = other.set.Reserve(time.Second)
		ok(q.Stats()) // beanstalkd may forget a lease that ends until its holder sends something.
	}
	same(put, again, "the other worker got it")
	s := ok(other.StatsJob(put))
	same("1 2", s["timeouts"]+" "+s["reserves"], "timeouts, reserves")
	fails(q.Delete(put), beanstalk.ErrNotFound, "delete after the lease")
	done(other.Delete(put))
}

func touch() {
	q, clock := on("touch"), on("silence")
	defer q.Close()
	defer clock.Close()
	id := ok(q.tube.Put([]byte("long"), 1, 0, 3*time.Second))
	q.takes(0)
	left := func() int { return ok(strconv.Atoi(ok(q.StatsJob(id))["time-left"])) }
	clock.empty(2*time.Second, "two seconds")
	check(left() <= 1, "time-left before")
	done(q.Touch(id))
	check(left() >= 2, "time-left after")
	done(q.Delete(id))
	fails(q.Touch(id), beanstalk.ErrNotFound, "touch of a deleted job")
}

func release() {
	q := on("release")
	defer q.Close()
	id := q.put("again")
	q.takes(0)
	done(q.Release(id, 77, 0))
	s := ok(q.StatsJob(id))
	same("ready 77 1", strings.Join([]string{s["state"], s["pri"], s["releases"]}, " "), "stats-job")
	q.takes(0)
	done(q.Release(id, 78, time.Minute))
	s = ok(q.StatsJob(id))
	same("delayed 78", s["state"]+" "+s["pri"], "released with delay")
	done(q.KickJob(id))
	q.takes(0)
	done(q.Delete(id))
}

func bury() {
	q := on("bury")
	defer q.Close()
	var ids []uint64
	for i := range 4 {
		ids = append(ids, q.put(strconv.Itoa(i)))
		q.takes(0)
		done(q.Bury(ids[i], 50))
	}
	first, _, err := q.tube.PeekBuried()
	done(err)
	same(ids[0], first, "peek-buried")
	q.empty(0, "buried jobs are not handed out")
	same(2, ok(q.tube.Kick(2)), "kick")
	done(q.KickJob(ids[3]))
	same("1", ok(q.tube.Stats())["current-jobs-buried"], "one is left")
	for _, want := range []string{"0", "1", "3"} {
		_, body := q.takes(0)
		same(want, body, "those kicked")
	}
	same(1, ok(q.tube.Kick(100)), "kick takes what there is")
	fails(q.KickJob(987654321), beanstalk.ErrNotFound, "kick-job of no job")
}

func peek() {
	q, other := on("peek"), on("elsewhere")
	defer q.Close()
	defer other.Close()
	put := q.put("look")
	same("look", string(ok(q.Peek(put))), "peek")
	id, body, err := q.tube.PeekReady()
	done(err)
	same(put, id, "peek-ready")
	same("look", string(body), "peek-ready")
	same("look", string(ok(other.ReserveJob(put))), "reserve-job")
	_, err = q.ReserveJob(put)
	fails(err, beanstalk.ErrNotFound, "reserve-job of a reserved job")
	done(other.Delete(put))
	_, err = q.Peek(put)
	fails(err, beanstalk.ErrNotFound, "peek at no job")
}

func stats() {
	q := on("stats")
	defer q.Close()
	ok(q.tube.Put([]byte("a"), 1, 0, time.Minute))
	ok(q.tube.Put([]byte("b"), 5000, 0, time.Minute))
	ok(q.tube.Put([]byte("c"), 1, time.Minute, time.Minute))
	tube := ok(q.tube.Stats())
	for key, want := range map[string]string{
		"current-jobs-urgent": "1", "current-jobs-ready": "2", "current-jobs-reserved": "0", "current-jobs-delayed": "1",
		"current-jobs-buried": "0", "total-jobs": "3", "current-using": "1", "current-watching": "0",
	} {
		same(want, tube[key], key)
	}
	server := ok(q.Stats())
	for _, key := range []string{"current-jobs-ready", "cmd-put", "total-jobs", "max-job-size", "pid", "uptime"} {
		ok(strconv.Atoi(server[key]))
	}
	_, err := beanstalk.NewTube(q.Conn, "nowhere").Stats()
	fails(err, beanstalk.ErrNotFound, "stats of no tube")
}

func pause() {
	q := on("pause")
	defer q.Close()
	id := q.put("held")
	done(q.tube.Pause(time.Minute))
	same("60", ok(q.tube.Stats())["pause"], "pause")
	q.empty(0, "paused")
	done(q.tube.Pause(time.Second))
	since := time.Now()
	q.takes(4 * time.Second)
	check(time.Since(since) > 900*time.Millisecond, "the pause lasted")
	done(q.Delete(id))
	fails(beanstalk.NewTube(q.Conn, "nowhere").Pause(0), beanstalk.ErrNotFound, "pause of no tube")
}

func bodies() {
	q := on("bodies")
	defer q.Close()
	largest := make([]byte, ok(strconv.Atoi(ok(q.Stats())["max-job-size"])))
	rand.Read(largest)
	var binary []byte
	for i := range 256 {
		binary = append(binary, byte(i))
	}
	binary = append(binary, "\r\n\r\nput 0 0 1 1\r\nx\r\n"...)
	for _, body := range [][]byte{{}, binary, largest} {
		q.put(string(body))
		id, got := q.takes(0)
		check(string(body) == got, fmt.Sprintf("a body of %d bytes came back as it was", len(body)))
		done(q.Delete(id))
	}
	_, err := q.tube.Put(append(largest, 'x'), 1, 0, time.Minute)
	fails(err, beanstalk.ErrJobTooBig, "a body too large")
	q.put("the connection goes on")
}

func many() {
	q := on("many")
	defer q.Close()
	left := map[uint64]string{}
	for i := range 1000 {
		body := fmt.Sprint("job ", i)
		left[q.put(body)] = body
	}
	same(1000, len(left), "ids")
	for len(left) > 0 {
		id, body := q.takes(0)
		same(left[id], body, "body")
		delete(left, id)
		done(q.Delete(id))
	}
	q.empty(0, "no more")
}

func two() {
	a, b := on("two"), on("two")
	defer a.Close()
	put := a.put("mine")
	a.takes(0)
	fails(b.Delete(put), beanstalk.ErrNotFound, "delete of another's job")
	got := make(chan uint64)
	go func() {
		id, _, _ := b.set.Reserve(5 * time.Second)
		got <- id
	}()
	done(a.Release(put, 1, 0))
	same(put, <-got, "the one that waits gets it")
	done(b.Close())
	id, _ := a.takes(2 * time.Second)
	same(put, id, "a closed connection gives its job back")
	done(a.Delete(put))
}
