// Package wal is the log on local disk: batches in segments, committed in groups,
// and snapshots of the state that let a restart skip them. To the log a batch and
// a section of a snapshot are bytes; it knows no jobs. The layout of the files is
// described in docs/file-format.md.
//
// The parts, along the way of a batch: Append (commit.go) writes it inline or
// hands it to the syncer; write.go makes frames of it (frame.go) and puts them
// into the current segment (segment.go); the pool (pool.go) has zeroed the next
// segments ahead of time and says what room is left (room.go). Snapshot (snapshot.go) makes
// old segments unneeded, and they go back to the pool. Recovery (recover.go)
// reads the last manifest (manifest.go), its sections (sections.go) and then the
// frames after it (scan.go), and tells damage from the torn tail of a crash.
package wal
