package tidy

import (
	"fmt"
	"strings"
)

// Modules checks that each module that go.mod requires directly, and each tool, has
// a line in the page on dependencies that says why.
func Modules(goMod, page string) (problems []Problem) {
	block := ""
	for i, line := range strings.Split(goMod, "\n") {
		words := strings.Fields(line)
		if block != "" {
			words = append([]string{block}, words...)
		}
		switch {
		case len(words) < 2 || strings.HasSuffix(line, "// indirect"):
		case words[1] == "(":
			block = words[0]
		case words[1] == ")":
			block = ""
		case (words[0] == "require" || words[0] == "tool") && !explained(page, words[1]):
			problems = append(problems, Problem{fmt.Sprintf("go.mod:%d", i+1), words[1] + " has no line in docs/dependencies.md: say there why it is needed"})
		}
	}
	return problems
}

// explained says whether a row of the page's table starts with the module, or with
// the module that the path of a tool lies in.
func explained(page, path string) bool {
	for line := range strings.Lines(page) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		module := strings.TrimSpace(cells[1])
		if path == module || strings.HasPrefix(path, module+"/") && module != "" {
			return true
		}
	}
	return false
}
