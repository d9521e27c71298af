// Package replica is the log on a Raft group: what one node's engine appends is
// committed once a majority of the nodes have it on disk. Consensus is
// github.com/hashicorp/raft; its entries, its snapshots and its votes are kept on
// the segments of package wal.
//
// The way of a batch: Append joins batches into an entry (propose.go), raft writes
// it to the disks of the group (store.go), and every node gets it back in order
// (fsm.go) for its Machine (machine.go). What a proposal's future says is never
// taken for the batch's outcome: only what comes back is. Snapshots are written when
// the engine asks (snapshot.go), and streamed to a node that lags (stream.go).
package replica
