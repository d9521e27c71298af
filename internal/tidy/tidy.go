// Package tidy holds the rules that the source itself must keep, as tests: which
// package may import which, what the core may not touch, what must be documented.
//
// A rule is a function from a parsed file to what is wrong with it. Each says
// what to do instead.
package tidy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Module is the path of this module.
const Module = "github.com/millrace/millrace"

// File is one Go file.
type File struct {
	Path string // below the root of the module, with slashes
	Dir  string // of Path
	Test bool   // a _test.go file
	Tree *ast.File

	set *token.FileSet
}

// Problem is a place that breaks a rule.
type Problem struct {
	Where string // file:line
	What  string
}

func (p Problem) String() string { return p.Where + ": " + p.What }

// Parse parses the source of the file at path.
func Parse(path string, source []byte) (*File, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	dir := "."
	if i := strings.LastIndex(path, "/"); i >= 0 {
		dir = path[:i]
	}
	return &File{Path: path, Dir: dir, Test: strings.HasSuffix(path, "_test.go"), Tree: tree, set: set}, nil
}

func (f *File) problem(at ast.Node, format string, args ...any) Problem {
	return Problem{fmt.Sprintf("%s:%d", f.Path, f.set.Position(at.Pos()).Line), fmt.Sprintf(format, args...)}
}

// Walk calls visit for each file below root that is ours: not in testdata, hidden,
// of another module, or installed there.
func Walk(root string, visit func(path string, content []byte) error) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != root && foreign(path, name) {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return visit(filepath.ToSlash(below), content)
	})
}

func foreign(path, name string) bool {
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil || name == "testdata" || name == "node_modules" || name == "vendor" || name[0] == '.' && name != ".ci"
}
