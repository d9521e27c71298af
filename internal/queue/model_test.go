package queue_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var (
	modelSteps = flag.Int("model.steps", 50_000, "how many steps the core is compared with its model for")
	modelSeed  = flag.Uint64("model.seed", 0, "run the comparison of this seed alone")
)

// act is one step of a comparison: what happens, and numbers that say with what. It
// means something after any acts before it, so that some can be left out.
type act struct {
	what    uint8 // index into acts
	a, b, c uint32
}

// runLength is the number of steps with one seed.
const runLength = 2000

// TestModel makes random things happen to a State and to the naive model, and
// compares every answer, all statistics, and what followers, snapshots and restarts
// make of it.
func TestModel(t *testing.T) {
	if *modelSeed != 0 {
		compare(t, *modelSeed)
		return
	}
	runs := uint64(*modelSteps / runLength)
	if raceDetector {
		runs /= 10
	}
	for seed := uint64(1); seed <= runs && !t.Failed(); seed++ {
		compare(t, seed)
	}
}

func compare(t *testing.T, seed uint64) {
	script := randomScript(seed)
	n, err := run(script)
	if err == nil {
		return
	}
	script = shrink(script[:n+1], err)
	w := newWorld()
	w.trace = true
	_, again := w.run(script)
	t.Errorf("seed %d: %v\nThe shortest way there found: %v\n%s", seed, err, again, strings.Join(w.said, "\n"))
}

func randomScript(seed uint64) []act {
	rnd := rand.New(rand.NewPCG(seed, 0))
	total := 0
	for _, k := range acts {
		total += k.weight
	}
	script := make([]act, runLength)
	for i := range script {
		n := rnd.IntN(total)
		what := 0
		for n >= acts[what].weight {
			n -= acts[what].weight
			what++
		}
		script[i] = act{uint8(what), rnd.Uint32(), rnd.Uint32(), rnd.Uint32()}
	}
	return script
}

// run plays a script and returns the step at which it went wrong.
func run(script []act) (int, error) { return newWorld().run(script) }

// shrink leaves out what a script does not need to fail in that way.
func shrink(script []act, failure error) []act {
	for size := len(script) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(script); {
			shorter := append(append([]act(nil), script[:at]...), script[at+size:]...)
			if n, err := run(shorter); err != nil && kindOf(err) == kindOf(failure) {
				script = shorter[:n+1]
			} else {
				at += size
			}
		}
	}
	return script
}

// kindOf is the part of an error that tells what went wrong, not where.
func kindOf(err error) string { return err.Error()[:min(len(err.Error()), 12)] }

func (w *world) run(script []act) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v at %s", r, place())
		}
	}()
	for i, x := range script {
		n = i
		if w.trace {
			w.say("%s", acts[x.what].name)
		}
		acts[x.what].do(w, x)
		w.audit(i)
		if w.err != nil {
			return n, w.err
		}
	}
	return n, w.finish()
}
