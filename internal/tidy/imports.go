package tidy

import (
	"go/ast"
	"slices"
	"strconv"
	"strings"
)

// allowed says which packages of ours a package may import: only what lies below
// it. A door imports no other door, the core imports nothing.
var allowed = map[string][]string{
	"cmd/millrace":               {"internal/bench", "internal/beanstalk", "internal/config", "internal/queue", "internal/server", "internal/vfs", "internal/wal"},
	"internal/server":            {"internal/beanstalk", "internal/binlog", "internal/config", "internal/engine", "internal/gearman", "internal/memcache", "internal/netserve", "internal/queue", "internal/vfs", "internal/wal"},
	"internal/beanstalk":         {"internal/engine", "internal/netserve", "internal/queue"},
	"internal/gearman":           {"internal/engine", "internal/netserve", "internal/queue"},
	"internal/memcache":          {"internal/engine", "internal/netserve", "internal/queue"},
	"internal/netserve":          {"internal/engine", "internal/queue"},
	"internal/netserve/nettest":  {"internal/engine", "internal/netserve", "internal/queue"},
	"internal/wal":               {"internal/engine", "internal/vfs"},
	"internal/replica":           {"internal/engine", "internal/vfs", "internal/wal"},
	"internal/engine":            {"internal/queue"},
	"internal/engine/enginetest": {"internal/engine", "internal/queue"},
	"internal/sim":               {"internal/engine", "internal/queue", "internal/vfs", "internal/wal"},
	"internal/binlog":            {"internal/queue"},
	"internal/queue":             {},
	"internal/vfs":               {},
	"internal/config":            {},
	"internal/bench":             {},
	"internal/tidy":              {},
	"test/daemon":                {},
	"scripts/report":             {},
}

// Imports checks the import table.
func Imports(f *File) (problems []Problem) {
	if f.Test {
		return nil
	}
	below, known := allowed[f.Dir]
	if !known {
		return []Problem{f.problem(f.Tree.Name, "package %s is not in the import table: add it to internal/tidy/imports.go with what it may import", f.Dir)}
	}
	for _, spec := range f.Tree.Imports {
		ours, ok := strings.CutPrefix(importPath(spec), Module+"/")
		if ok && !slices.Contains(below, ours) {
			problems = append(problems, f.problem(spec, "%s must not import %s: imports go down only (ARCHITECTURE.md); declare what you need as an interface here, or move it", f.Dir, ours))
		}
	}
	return problems
}

func importPath(spec *ast.ImportSpec) string {
	path, _ := strconv.Unquote(spec.Path.Value)
	return path
}

// Core checks that package queue stays pure.
func Core(f *File) (problems []Problem) {
	if f.Dir != "internal/queue" || f.Test {
		return nil
	}
	for _, spec := range f.Tree.Imports {
		switch first, _, _ := strings.Cut(importPath(spec), "/"); {
		case slices.Contains([]string{"net", "os", "sync", "syscall", "context"}, first),
			strings.Contains(importPath(spec), "rand"):
			problems = append(problems, f.problem(spec, "the core must not import %s: it does no I/O, takes no lock and throws no dice; let the engine do it", importPath(spec)))
		}
	}
	ast.Inspect(f.Tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			problems = append(problems, f.problem(n, "the core must not start a goroutine; let the engine do it"))
		case *ast.SelectorExpr:
			if isClock(n) {
				problems = append(problems, f.problem(n, "the core must not use time.%s: it is told the time, as now", n.Sel.Name))
			}
		}
		return true
	})
	return problems
}

// isClock says whether n is a function of package time that reads or uses a clock.
func isClock(n *ast.SelectorExpr) bool {
	return isSelector(n, "time", "Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep")
}

// isSelector says whether n is pkg.name, for one of the names.
func isSelector(n ast.Expr, pkg string, names ...string) bool {
	s, ok := n.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg && slices.Contains(names, s.Sel.Name)
}
