package tidy

import (
	"path"
	"regexp"
	"strconv"
	"strings"
)

// link matches a link of Markdown to a file, without the place in it.
var link = regexp.MustCompile(`\]\(([^)#: ]+)[^):]*\)`)

// Links checks that what a page links to is there. exists is asked with paths below
// the root of the module.
func Links(page string, content []byte, exists func(string) bool) (problems []Problem) {
	if path.Ext(page) != ".md" {
		return nil
	}
	for i, line := range strings.Split(string(content), "\n") {
		for _, found := range link.FindAllStringSubmatch(line, -1) {
			if target := path.Join(path.Dir(page), found[1]); !exists(target) {
				problems = append(problems, Problem{page + ":" + strconv.Itoa(i+1), "links to " + target + ", which is not there"})
			}
		}
	}
	return problems
}
