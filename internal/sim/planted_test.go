package sim_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var planted = flag.String("planted", ".", "plant the bugs whose names match `regexp`")

// bugs each break one rule, by a change of the source that only the build of one
// test run sees (go test -overlay). That run must fail.
var bugs = []struct {
	name    string
	file    string   // below internal
	changes []string // old text, which must be there once, and new text, in turn
	tests   []string // arguments of go test, below internal
}{
	{
		"acknowledge before the commit", "engine/engine.go",
		[]string{"\te.flights = append(e.flights, f)\n", "\te.flights = append(e.flights, f)\n\te.published.Store(turn)\n"},
		simulation,
	}, {
		"keep time by the wall clock", "engine/engine.go",
		[]string{"e.state.SetTime(e.clock.now(), e.opts.Wall().UnixNano())\n\t}\n}", "e.state.SetTime(e.opts.Wall().UnixNano(), e.opts.Wall().UnixNano())\n\t}\n}"},
		simulation,
	}, {
		"skip the sync", "wal/write.go",
		[]string{"\tif raw {\n\t\terr = l.tail.seg.file.RawSync()\n\t} else {\n\t\terr = l.tail.seg.file.Sync()\n\t}\n\tif err == nil {\n\t\tl.synced", "\tif err == nil {\n\t\tl.synced"},
		simulation,
	}, {
		"skip the checksum", "wal/frame.go",
		[]string{"return crc32.Update(s.seed, castagnoli, frame[8:]) == f.sum", "return true"},
		simulation,
	}, {
		"skip the chain", "wal/scan.go",
		[]string{
			"if err != nil || !ok || f.prev != s.at.chain {\n\t\treturn false, err", "if err != nil || !ok || false && f.prev != s.at.chain {\n\t\treturn false, err",
			"if err != nil || !ok || f.prev != s.at.chain {\n\t\treturn false\n", "if err != nil || !ok || false && f.prev != s.at.chain {\n\t\treturn false\n",
		},
		// It takes the right sector to be lost: half of the runs come by that.
		[]string{"./wal", "-run", "TestCrashAtEveryOperation", "-count=12", "-failfast"},
	}, {
		"forget to log a delete", "queue/apply.go",
		[]string{"if s.logging && !r.local {", "if s.logging && !r.local && r.kind != recordDelete {"},
		model,
	}, {
		"apply a batch of any epoch", "queue/batch.go",
		[]string{"case b.Seq == 0 || b.Epoch != s.epoch || b.Seq != s.seq+1:", "case b.Seq == 0:"},
		[]string{"./engine", "-run", "TestLostEpochs"},
	}, {
		"keep the leases of a session that closes", "queue/session.go",
		[]string{
			"\tfor len(sess.leases.items) > 0 {\n\t\tat := sess.leases.items[0].at\n\t\tj := s.jobs.mut(at)\n\t\ts.take(at, j)\n\t\ts.place(at, j)\n\t}\n", "",
			"\tfor len(sess.leases.items) > 0 {\n\t\tat := sess.leases.items[0].at\n\t\ts.giveBack(at, s.jobs.mut(at))\n\t}\n", "",
		},
		model,
	}, {
		"tell nobody of a more urgent job", "queue/queue.go",
		[]string{"\t\ts.lowerKeys(q)\n", ""},
		model,
	}, {
		"change what a view shares", "queue/slab.go",
		[]string{"case s.views > 0:", "case false:"},
		model,
	}, {
		"reuse a body's place while a view reads it", "queue/body.go",
		[]string{"case b.views > 0:\n\t\tb.limbo", "case false:\n\t\tb.limbo"},
		model,
	},
}

var (
	simulation = []string{"./sim", "-run", "TestSimulation"}
	model      = []string{"./queue", "-run", "TestModel"}
)

// failure is how a test run says that a test failed, and with what.
var failure = regexp.MustCompile(`(?m)^( *--- FAIL.*\n +\w+\.go:.{0,200}|panic:.*)`)

// TestPlantedBugs shows that the tests notice each of the bugs.
func TestPlantedBugs(t *testing.T) {
	if raceDetector {
		*planted = "^$" // the inner runs have no race detector: they would be the same again
	}
	only := regexp.MustCompile(*planted)
	for _, bug := range bugs {
		t.Run(strings.ReplaceAll(bug.name, " ", "_"), func(t *testing.T) {
			overlay := plant(t, bug.file, bug.changes)
			if !only.MatchString(bug.name) {
				return
			}
			args := append([]string{"test", "-count=1", "-overlay", overlay}, bug.tests...)
			cmd := exec.Command("go", args...)
			cmd.Dir = ".."
			out, err := cmd.CombinedOutput()
			switch {
			case err == nil:
				t.Errorf("go %s passes", strings.Join(args, " "))
			case !failure.Match(out):
				t.Errorf("no test has failed:\n%s", out)
			default:
				t.Logf("%s", failure.Find(out))
			}
		})
	}
}

// plant writes the changed source and the overlay that puts it in place.
func plant(t *testing.T, file string, changes []string) (overlay string) {
	path, err := filepath.Abs(filepath.Join("..", file))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	for i := 0; i < len(changes); i += 2 {
		if strings.Count(text, changes[i]) != 1 {
			t.Fatalf("%s does not have this once, so the bug needs a new place:\n%s", file, changes[i])
		}
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	dir := t.TempDir()
	changed := filepath.Join(dir, "changed.go")
	write(t, changed, []byte(text))
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	write(t, overlay, replace)
	return overlay
}

func write(t *testing.T, path string, content []byte) {
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
