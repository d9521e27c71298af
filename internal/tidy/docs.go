package tidy

import (
	"go/ast"
	"go/token"
)

// Docs checks that each exported name has a comment.
func Docs(f *File) (problems []Problem) {
	if f.Test {
		return nil
	}
	for _, d := range f.Tree.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && exportedReceiver(d) && d.Doc == nil && !wellKnown[d.Name.Name] {
				problems = append(problems, f.problem(d, "%s has no comment: say what it does, with units and errors", d.Name.Name))
			}
		case *ast.GenDecl:
			problems = append(problems, f.undocumented(d)...)
		}
	}
	return problems
}

// wellKnown are methods whose meaning is fixed by the standard library.
var wellKnown = map[string]bool{
	"String": true, "Error": true, "Unwrap": true, "Len": true, "Less": true, "Swap": true,
}

// undocumented finds the names of a declaration without a comment. One comment
// serves a whole group of constants or variables; so does that of their type.
func (f *File) undocumented(d *ast.GenDecl) (problems []Problem) {
	if d.Tok == token.IMPORT {
		return nil
	}
	group := false // a comment on an earlier line of the same group counts
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
				problems = append(problems, f.problem(s, "type %s has no comment: say what it is", s.Name.Name))
			}
		case *ast.ValueSpec:
			_, ownType := s.Type.(*ast.Ident)
			group = group || d.Doc != nil || s.Doc != nil || s.Comment != nil || ownType && d.Tok == token.CONST
			for _, name := range s.Names {
				if name.IsExported() && !group {
					problems = append(problems, f.problem(name, "%s has no comment: say what it is, with its unit", name.Name))
				}
			}
		}
	}
	return problems
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// Packages checks, over all files, that each package has one comment that says
// what it is for.
func Packages(files []*File) (problems []Problem) {
	documented, first := map[string]bool{}, map[string]*File{}
	for _, f := range files {
		if f.Test {
			continue
		}
		documented[f.Dir] = documented[f.Dir] || f.Tree.Doc != nil
		if first[f.Dir] == nil {
			first[f.Dir] = f
		}
	}
	for dir, f := range first {
		if !documented[dir] {
			problems = append(problems, f.problem(f.Tree.Name, "package %s has no comment: say what it is for, above a package clause", dir))
		}
	}
	return problems
}
