package tidy

import (
	"os"
	"path"
	"strings"
	"testing"
)

const root = "../.."

// rules are those that look at one file.
var rules = map[string]func(*File) []Problem{
	"imports": Imports, "core": Core, "docs": Docs, "sleeps": Sleeps, "ports": Ports,
}

func TestTree(t *testing.T) {
	var files []*File
	err := Walk(root, func(name string, content []byte) error {
		report(t, Text(name, content))
		report(t, Links(name, content, func(target string) bool {
			_, err := os.Stat(path.Join(root, target))
			return err == nil
		}))
		if path.Ext(name) != ".go" {
			return nil
		}
		f, err := Parse(name, content)
		if err != nil {
			return err
		}
		files = append(files, f)
		for _, rule := range rules {
			report(t, rule(f))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	report(t, Packages(files))
	if len(files) < 20 {
		t.Errorf("only %d Go files were found below %s", len(files), root)
	}
}

func report(t *testing.T, problems []Problem) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}

// Each rule is shown source that breaks it, and source that is right.
func TestRulesCanFail(t *testing.T) {
	const core = "internal/queue/x.go"
	tests := []struct {
		rule, path, source string
		want               string // part of the problem; "" for none
	}{
		{"imports", core, `import "github.com/millrace/millrace/internal/engine"`, "internal/queue must not import internal/engine"},
		{"imports", "internal/beanstalk/x.go", `import "github.com/millrace/millrace/internal/wal"`, "must not import internal/wal"},
		{"imports", "internal/beanstalk/x.go", `import "github.com/millrace/millrace/internal/queue"`, ""},
		{"imports", "internal/beanstalk/x_test.go", `import "github.com/millrace/millrace/internal/wal"`, ""},
		{"imports", "internal/new/x.go", ``, "not in the import table"},
		{"core", core, `import "net/http"`, "must not import net/http"},
		{"core", core, `import "os"`, "must not import os"},
		{"core", core, `import "sync/atomic"`, "must not import sync/atomic"},
		{"core", core, `import "math/rand/v2"`, "must not import math/rand/v2"},
		{"core", core, `import "crypto/rand"`, "must not import crypto/rand"},
		{"core", core, `import "math"`, ""},
		{"core", core, "import \"time\"\nvar t = time.Now()", "must not use time.Now"},
		{"core", core, "import \"time\"\nvar t = time.Since(x)", "must not use time.Since"},
		{"core", core, "import \"time\"\nvar now = time.After", "must not use time.After"},
		{"core", core, "import \"time\"\nvar t = time.Second", ""},
		{"core", core, "func f() { go f() }", "must not start a goroutine"},
		{"core", "internal/engine/x.go", `import "sync"`, ""},
		{"docs", core, "func F() {}", "F has no comment"},
		{"docs", core, "// F does.\nfunc F() {}", ""},
		{"docs", core, "type T struct{}\n", "type T has no comment"},
		{"docs", core, "func (t *T) M() {}", "M has no comment"},
		{"docs", core, "func (t *t) M() {}", ""},
		{"docs", core, "func (t T) String() string { return \"\" }", ""},
		{"docs", core, "const (\n\tA = 1\n)", "A has no comment"},
		{"docs", core, "// Both are numbers.\nconst (\n\tA = 1\n\tB = 2\n)", ""},
		{"docs", core, "const (\n\tA Phase = iota\n\tB\n)", ""},
		{"docs", core, "var V int // of things", ""},
		{"docs", core, "var V int", "V has no comment"},
		{"sleeps", "x_test.go", "import \"time\"\nfunc f() { time.Sleep(1) }", "a test must not sleep"},
		{"sleeps", "x.go", "import \"time\"\nfunc f() { time.Sleep(1) }", ""},
		{"sleeps", "x_test.go", "func f(t *testing.T) { synctest.Test(t, func(t *testing.T) { time.Sleep(1) }) }", ""},
		{"sleeps", "x_test.go", "func f(t *testing.T) { synctest.Test(t, g); time.Sleep(1) }", "a test must not sleep"},
		{"sleeps", "x_test.go", "func f() { time.Sleep(1); synctest.Wait() }", ""},
		{"sleeps", "x_test.go", "// f runs in a bubble.\nfunc f() { time.Sleep(1) }", ""},
		{"ports", "x_test.go", `var l = net.Listen("tcp", "127.0.0.1:11300")`, "fixed port of 127.0.0.1:11300"},
		{"ports", "x_test.go", `var l = Dial(":80")`, "fixed port of :80"},
		{"ports", "x_test.go", `var c = exec.Command("millrace", "serve", "localhost:80")`, "fixed port"},
		{"ports", "x_test.go", `var l = net.Listen("tcp", "127.0.0.1:0")`, ""},
		{"ports", "x_test.go", `var want = "127.0.0.1:11300"`, ""},
		{"ports", "x.go", `var l = net.Listen("tcp", "127.0.0.1:11300")`, ""},
	}
	for _, test := range tests {
		f, err := Parse(test.path, []byte("package x\n"+test.source))
		if err != nil {
			t.Fatal(err)
		}
		expect(t, test.rule+" of "+test.source, rules[test.rule](f), test.want)
	}
}

func expect(t *testing.T, what string, problems []Problem, want string) {
	t.Helper()
	switch {
	case want == "" && len(problems) > 0:
		t.Errorf("%s: %v, want no problem", what, problems)
	case want != "" && (len(problems) != 1 || !strings.Contains(problems[0].What, want)):
		t.Errorf("%s: %v, want one with %q", what, problems, want)
	}
}

func TestPackagesCanFail(t *testing.T) {
	for source, want := range map[string]string{
		"package x":                   "package a has no comment",
		"// Package x is.\npackage x": "",
	} {
		bare, err := Parse("a/one.go", []byte("package x"))
		if err != nil {
			t.Fatal(err)
		}
		other, err := Parse("a/two.go", []byte(source))
		if err != nil {
			t.Fatal(err)
		}
		expect(t, source, Packages([]*File{bare, other}), want)
	}
}

func TestTextCanFail(t *testing.T) {
	bad := "see /" + "work/main/README.md"
	expect(t, bad, Text("x.md", []byte("fine\n"+bad)), "nobody else has")
	expect(t, "good", Text("x.md", []byte("fine, /workers/main and /home/user\n")), "")
}

func TestModules(t *testing.T) {
	goMod, err := os.ReadFile(root + "/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(root + "/docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	report(t, Modules(string(goMod), string(page)))
}

func TestModulesCanFail(t *testing.T) {
	const page = "| module | where | why |\n| example.org/known | tests | it is good |\n"
	for goMod, want := range map[string]string{
		"require example.org/new v1.0.0":                        "example.org/new has no line",
		"require (\n\texample.org/new v1.0.0\n)":                "example.org/new has no line",
		"tool example.org/new/cmd/x":                            "example.org/new/cmd/x has no line",
		"require (\n\texample.org/new v1.0.0 // indirect\n)\n":  "",
		"module x\n\ngo 1.26\n\nrequire example.org/known v1\n": "",
		"tool example.org/known/cmd/x":                          "",
	} {
		expect(t, goMod, Modules(goMod, page), want)
	}
}

func TestLinksCanFail(t *testing.T) {
	exists := func(target string) bool { return target == "docs/there.md" }
	for content, want := range map[string]string{
		"[a](docs/gone.md)":          "links to docs/gone.md",
		"[a](docs/gone.md#place)":    "links to docs/gone.md",
		"[a](docs/there.md)":         "",
		"[a](docs/there.md#place)":   "",
		"[a](https://example.org/x)": "",
		"[a](#place)":                "",
	} {
		expect(t, content, Links("README.md", []byte(content), exists), want)
	}
	expect(t, "relative", Links("docs/x.md", []byte("[a](there.md)"), exists), "")
}
