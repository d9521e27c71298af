package replica

import "github.com/hashicorp/raft"

// recent keeps the last entries in memory: each is read again for every follower,
// and on a follower to be applied.
type recent struct {
	entries []raft.Log // ascending without gaps
	bytes   int
}

const (
	maxRecent      = 1024    // entries
	maxRecentBytes = 8 << 20 // of their data
)

func (r *recent) add(e *raft.Log) {
	if n := len(r.entries); n > 0 && r.entries[n-1].Index+1 != e.Index {
		*r = recent{}
	}
	r.entries = append(r.entries, *e)
	r.bytes += len(e.Data)
	for len(r.entries) > maxRecent || r.bytes > maxRecentBytes {
		r.bytes -= len(r.entries[0].Data)
		r.entries[0] = raft.Log{}
		r.entries = r.entries[1:]
	}
}

func (r *recent) find(index uint64, to *raft.Log) bool {
	if len(r.entries) == 0 || index < r.entries[0].Index || index-r.entries[0].Index >= uint64(len(r.entries)) {
		return false
	}
	*to = r.entries[index-r.entries[0].Index]
	return true
}
