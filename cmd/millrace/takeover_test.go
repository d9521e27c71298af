package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/test/daemon"
)

// binlog copies the binlog that beanstalkd 1.12 wrote into a new directory.
func binlog(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../internal/binlog/testdata/v7")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func files(t *testing.T, dir string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "binlog.1"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// jobStats asks for all that is known of a job.
func jobStats(t *testing.T, s *daemon.Server, id string) map[string]string {
	t.Helper()
	o := clientOptions{server: s.Addr}
	c, err := o.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	r, err := c.call("OK", "stats-job "+id, nil)
	if err != nil {
		t.Fatalf("job %s: %v", id, err)
	}
	return fields(r.body)
}

// The jobs of a binlog come over once, whole, and the binlog stays as it was.
func TestBinlogTakeover(t *testing.T) {
	dir := binlog(t)
	before := files(t, dir)
	s := daemon.Shim(t, "-b", dir)
	if _, err := s.WaitOutput(regexp.MustCompile(`binlog imported.* jobs=9 ready=5 delayed=2 buried=2 `), endLimit); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"tube": "mails", "state": "buried", "pri": "77", "ttr": "30", "reserves": "1", "buries": "1"}
	for name, text := range jobStats(t, s, "3") {
		if w, ok := want[name]; ok && text != w {
			t.Errorf("job 3: %s is %s, want %s", name, text, w)
		}
	}
	if out := mustRun(t, on(s, "reserve")...); out != "hello" {
		t.Errorf("reserve printed %q", out)
	}
	if id := mustRun(t, on(s, "put", "new")...); id != "11\n" {
		t.Errorf("the first new id is %q, want one behind those imported", id)
	}
	terminate(t, s)

	s = daemon.Shim(t, "-b", dir)
	if strings.Contains(s.Output(), "binlog imported") {
		t.Error("the binlog was imported twice")
	}
	if out := mustRun(t, on(s, "reserve")...); out != "new" {
		t.Errorf("after the restart, reserve printed %q: a job that was deleted is back", out)
	}
	if files(t, dir) != before {
		t.Error("the binlog was changed")
	}
}

// An import that was cut short is done again, and the jobs that it had put stay.
func TestImportIsFinished(t *testing.T) {
	dir := binlog(t)
	s := daemon.Shim(t, "-b", dir)
	terminate(t, s)
	note := filepath.Join(dir, "millrace", "import.txt")
	if err := os.WriteFile(note, []byte("The import of a beanstalkd binlog is under way.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = daemon.Shim(t, "-b", dir)
	if !strings.Contains(s.Output(), "jobs=9") {
		t.Errorf("the import was not done again:\n%s", s.Output())
	}
	if out := mustRun(t, on(s, "stats", "--json")...); !strings.Contains(out, `"current-jobs-ready": 5`) {
		t.Errorf("stats:\n%s", out)
	}
	if text, err := os.ReadFile(note); err != nil || !strings.HasPrefix(string(text), "9 jobs were imported from 1 files") {
		t.Errorf("note: %q, %v", text, err)
	}
}

// What beanstalkd writes after the import is not taken over in silence.
func TestNewerBinlog(t *testing.T) {
	dir := binlog(t)
	terminate(t, daemon.Shim(t, "-b", dir))
	if err := os.WriteFile(filepath.Join(dir, "binlog.2"), []byte{7, 0, 0, 0}, 0o600); err != nil {
		t.Fatal(err)
	}
	s := daemon.Shim(t, "-b", dir)
	if !strings.Contains(s.Output(), "beanstalkd has written to its binlog since") {
		t.Errorf("no warning:\n%s", s.Output())
	}
}

// A large job comes over in pieces; damage is told, and what is whole comes over.
func TestDamagedBinlog(t *testing.T) {
	dir := binlog(t)
	f, err := os.OpenFile(filepath.Join(dir, "binlog.1"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xff, 0xff}, 0xca); err != nil { // the length of the third name
		t.Fatal(err)
	}
	s := daemon.Shim(t, "-b", dir)
	for _, want := range []string{"binlog damaged", "offset=202", "jobs=2 ready=1 delayed=1 buried=0 damaged_places=1"} {
		if !strings.Contains(s.Output(), want) {
			t.Errorf("no %q in:\n%s", want, s.Output())
		}
	}
}
