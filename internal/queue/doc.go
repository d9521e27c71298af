// Package queue is the core: jobs, queues and leases as one state machine.
//
// It is pure. It does no I/O, takes no lock, starts no goroutine and reads no
// clock: every entry point takes now. It knows no protocol; doors translate
// their words (tube, function, key) into Requests and Results into replies.
//
// State holds three kinds of things. Facts (jobs, queue settings, ids, the
// clock) change only by applying Records, and the same records give the same
// facts on every node. Session state (leases of connections, waiting sessions,
// statistics) belongs to the node that leads and is gone when its epoch ends.
// Indexes (ready, delayed and buried order) follow from the two.
package queue
