package gearman

import (
	"net"
	"slices"
	"strings"
	"sync"
)

// registry knows what the administrative commands list and the queue does not: the
// connections, what they call themselves and what they can do, and the functions that
// were named once. It is used when those change and when they are listed, not in the
// life of a job.
type registry struct {
	mu        sync.Mutex
	max       int
	next      uint64
	entries   map[*entry]struct{}
	functions map[string]int // workers of each function that was named
}

// entry is one connection.
type entry struct {
	number    uint64
	host      string
	id        string
	functions []string // in order of registration
}

func (g *registry) init(max int) {
	g.max = max
	g.entries = map[*entry]struct{}{}
	g.functions = map[string]int{}
}

// enter adds a connection from peer, an address as text.
func (g *registry) enter(peer string) *entry {
	host, _, err := net.SplitHostPort(peer)
	if err != nil {
		host = peer
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next++
	e := &entry{number: g.next, host: host, id: "-"}
	g.entries[e] = struct{}{}
	return e
}

func (g *registry) leave(e *entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.removeAll(e)
	delete(g.entries, e)
}

// name notes that somebody spoke of a function.
func (g *registry) name(function []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.functions[string(function)]; !known && len(g.functions) < g.max {
		g.functions[string(function)] = 0
	}
}

// known says whether a function was named and not dropped since, and how many
// workers have it.
func (g *registry) known(function []byte) (workers int, known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	workers, known = g.functions[string(function)]
	return workers, known
}

// forget drops a function that no worker has.
func (g *registry) forget(function []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.functions[string(function)] == 0 {
		delete(g.functions, string(function))
	}
}

// add registers a function for e.
func (g *registry) add(e *entry, function string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.functions = append(e.functions, function)
	g.functions[function]++
}

func (g *registry) remove(e *entry, function []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(e.functions, string(function)); i >= 0 {
		e.functions = slices.Delete(e.functions, i, i+1)
		g.functions[string(function)]--
	}
}

// removeAll ends what e is registered for. mu is held.
func (g *registry) removeAll(e *entry) {
	for _, f := range e.functions {
		g.functions[f]--
	}
	e.functions = nil
}

func (g *registry) reset(e *entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.removeAll(e)
}

func (g *registry) identify(e *entry, id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.id = id
}

// list describes all connections, in the order in which they came.
func (g *registry) list() []entry {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]entry, 0, len(g.entries))
	for e := range g.entries {
		copied := *e
		copied.functions = slices.Clone(e.functions)
		list = append(list, copied)
	}
	slices.SortFunc(list, func(a, b entry) int { return int(a.number) - int(b.number) })
	return list
}

// workers counts the workers of every function that was named.
func (g *registry) workers() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make(map[string]int, len(g.functions))
	for name, n := range g.functions {
		all[name] = n
	}
	return all
}

// printable replaces what would end a line of text.
func printable(text string) string { return lineBreaks.Replace(text) }

var lineBreaks = strings.NewReplacer("\n", "?", "\r", "?")
