package crash

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// ledger is what all clients together know. A request is noted before it is sent,
// and again when its answer came, so that whatever a client may see of another's
// work is in the ledger by then.
type ledger struct {
	t *testing.T

	mu       sync.Mutex
	life     int             // of the server; leases end with it
	byName   map[string]*job // jobs sent, but for those that an audit found deleted
	byID     map[uint64]*job // those of byName whose id is known
	live     []*job          // acknowledged, some of them deleted since
	count    int             // jobs ever acknowledged
	highest  uint64          // id given out
	earlier  uint64          // highest id given out in earlier lives
	answers  int             // so far
	wanted   int             // answers at which reached is closed
	reached  chan struct{}
	failures int
}

// job is what is known of one job.
type job struct {
	body     string
	id       uint64 // 0 until it is known
	born     int    // the life in which it was sent
	pri      uint32 // as last asked for
	deleted  bool   // acknowledged
	buried   bool   // as last asked for
	changing int    // releases, buries and kicks without an answer: pri and buried are not sure
	deleting int    // deletes without an answer
	holder   int    // client that has it reserved; 0: none
	life     int    // in which the holder got it
}

func newLedger(t *testing.T) *ledger {
	return &ledger{t: t, byName: map[string]*job{}, byID: map[uint64]*job{}, reached: make(chan struct{})}
}

// name is the part of a body that tells whose it is.
func name(body string) string {
	name, _, _ := strings.Cut(body, " ")
	return name
}

// newBody makes a body with a name that no other has, and then bytes that are as
// unlikely to be another's.
func newBody(rnd *rand.Rand, name string, size int) string {
	var b strings.Builder
	for b.WriteString(name + " "); b.Len() < size; {
		fmt.Fprintf(&b, "%016x\r\n", rnd.Uint64())
	}
	return b.String()
}

// violation reports a broken promise. It is called with the lock held.
func (l *ledger) violation(format string, args ...any) {
	if l.failures++; l.failures <= 20 {
		l.t.Errorf("life %d: "+format, append([]any{l.life}, args...)...)
	}
}

// after is closed after n more answers.
func (l *ledger) after(n int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted, l.reached = l.answers+n, make(chan struct{})
	return l.reached
}

// answered counts an answer. It is called with the lock held.
func (l *ledger) answered() {
	if l.answers++; l.answers == l.wanted {
		close(l.reached)
	}
}

// newLife says that the server was started again: nobody holds a job, and ids go on.
func (l *ledger) newLife() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.life++
	l.earlier = l.highest
}

// putting notes a job before it is sent.
func (l *ledger) putting(body string, pri uint32) *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := &job{body: body, pri: pri, born: l.life}
	l.byName[name(body)] = j
	return j
}

// inserted notes the id that answered a put; 0: it was refused.
func (l *ledger) inserted(j *job, id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered()
	if id == 0 {
		delete(l.byName, name(j.body))
		return
	}
	l.learn(j, id)
}

// learn notes the id of a job, once. It is called with the lock held.
func (l *ledger) learn(j *job, id uint64) {
	if j.id == id {
		return
	}
	if j.id != 0 {
		l.violation("job %d has become %d", j.id, id)
		return
	}
	if other := l.byID[id]; other != nil {
		l.violation("id %d was given to %s and again to %s", id, name(other.body), name(j.body))
		return
	}
	if j.born == l.life && id <= l.earlier {
		l.violation("id %d is not above %d, which was given out before the restart", id, l.earlier)
	}
	j.id = id
	l.byID[id], l.live = j, append(l.live, j)
	l.highest = max(l.highest, id)
	l.count++
}

// seen checks a job that the server showed, and finds it in the ledger. It is
// called with the lock held.
func (l *ledger) seen(r reply) *job {
	j := l.byName[name(r.body)]
	switch {
	case j == nil:
		l.violation("job %d was never put: %.60q", r.id, r.body)
		return nil
	case j.body != r.body:
		l.violation("job %d has the body %.60q of %d bytes, put was %.60q of %d", r.id, r.body, len(r.body), j.body, len(j.body))
	case j.deleted:
		l.violation("job %d is there after its delete was acknowledged", r.id)
	}
	l.learn(j, r.id)
	return j
}

// delivered notes who got a job from a reserve. It returns nil when it should not
// have come.
func (l *ledger) delivered(client int, r reply) *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered()
	j := l.seen(r)
	if j == nil {
		return nil
	}
	if j.holder != 0 && j.life == l.life {
		l.violation("job %d went to client %d while client %d held it", r.id, client, j.holder)
	}
	j.holder, j.life = client, l.life
	return j
}

// asking notes a change before its request is sent.
func (l *ledger) asking(j *job, change func(j *job)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(j)
}

// answer notes what answered a request. wants are the answers that keep the promise.
func (l *ledger) answer(j *job, got string, change func(j *job), wants ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered()
	for _, want := range wants {
		if got == want {
			change(j)
			return
		}
	}
	l.violation("job %d: the answer is %q, not %v", j.id, got, wants)
}

// any chooses a job that is there and of which which is true, or nil.
func (l *ledger) any(rnd *rand.Rand, which func(j *job) bool) *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range 20 {
		if len(l.live) == 0 {
			return nil
		}
		i := rnd.IntN(len(l.live))
		if j := l.live[i]; j.deleted {
			l.live[i] = l.live[len(l.live)-1]
			l.live = l.live[:len(l.live)-1]
		} else if which(j) {
			return j
		}
	}
	return nil
}
