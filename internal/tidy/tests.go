package tidy

import (
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
)

// Sleeps checks that tests sleep only inside a synctest bubble, where it takes no
// time and waits for exactly what it should.
func Sleeps(f *File) (problems []Problem) {
	if !f.Test {
		return nil
	}
	bubbles := f.bubbles()
	ast.Inspect(f.Tree, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && isSelector(call.Fun, "time", "Sleep") && !inside(bubbles, call) {
			problems = append(problems, f.problem(call, "a test must not sleep: wait for the event itself, or run it in a testing/synctest bubble"))
		}
		return true
	})
	return problems
}

// bubbles are the functions of a file that run in a bubble: those given to
// synctest.Test, those that call synctest.Wait (it panics elsewhere), and helpers
// whose comment says "in a bubble".
func (f *File) bubbles() (list []ast.Node) {
	ast.Inspect(f.Tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if isSelector(n.Fun, "synctest", "Test") {
				list = append(list, n)
			}
		case *ast.FuncDecl:
			if strings.Contains(n.Doc.Text(), "in a bubble") || waits(n) {
				list = append(list, n)
			}
		}
		return true
	})
	return list
}

// waits says whether a function calls synctest.Wait.
func waits(d *ast.FuncDecl) (found bool) {
	ast.Inspect(d, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		found = found || ok && isSelector(call.Fun, "synctest", "Wait")
		return !found
	})
	return found
}

func inside(outer []ast.Node, n ast.Node) bool {
	for _, o := range outer {
		if o.Pos() <= n.Pos() && n.End() <= o.End() {
			return true
		}
	}
	return false
}

var fixedPort = regexp.MustCompile(`^(127\.0\.0\.1|localhost|\[::1?\]|0\.0\.0\.0)?:[1-9][0-9]*$`)

// Ports checks that tests listen on port 0 or a unix socket, never on a fixed port
// that something else may hold.
func Ports(f *File) (problems []Problem) {
	if !f.Test {
		return nil
	}
	ast.Inspect(f.Tree, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !opensSocket(call.Fun) {
			return true
		}
		for _, arg := range call.Args {
			lit, ok := arg.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				continue
			}
			if text, _ := strconv.Unquote(lit.Value); fixedPort.MatchString(text) {
				problems = append(problems, f.problem(lit, "a test must not use the fixed port of %s: listen on port 0 and ask for the address, or use a unix socket", text))
			}
		}
		return true
	})
	return problems
}

// opensSocket says whether a function's name is that of one that takes an address
// to listen on or to call.
func opensSocket(fun ast.Expr) bool {
	name := ""
	switch fun := fun.(type) {
	case *ast.SelectorExpr:
		name = fun.Sel.Name
	case *ast.Ident:
		name = fun.Name
	}
	name = strings.ToLower(name)
	return strings.Contains(name, "listen") || strings.Contains(name, "dial") || strings.HasPrefix(name, "command") || strings.Contains(name, "start")
}

// workplace are folders of the machine the text was written on. (Written so that
// this file does not name them itself.)
var workplace = regexp.MustCompile(`/w[o]rk/(main|shared|\.library)|/t[m]p/[a-z]+\.md`)

// Text checks any file for the paths of a machine that only its author has.
func Text(path string, content []byte) (problems []Problem) {
	for i, line := range strings.Split(string(content), "\n") {
		if found := workplace.FindString(line); found != "" {
			problems = append(problems, Problem{path + ":" + strconv.Itoa(i+1), "names " + found + ", which nobody else has: take it out"})
		}
	}
	return problems
}
