package vfs

import (
	"iter"
	"maps"
	"slices"
)

// Walks in a fixed order, so that one seed gives one crash.

type entry struct {
	name string
	file *memFile
}

func (m *Mem) sorted() iter.Seq2[string, *memDir] {
	return func(yield func(string, *memDir) bool) {
		for _, name := range slices.Sorted(maps.Keys(m.dirs)) {
			if !yield(name, m.dirs[name]) {
				return
			}
		}
	}
}

func sortedEntries(entries map[string]*memFile) []entry {
	var list []entry
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		list = append(list, entry{name, entries[name]})
	}
	return list
}
