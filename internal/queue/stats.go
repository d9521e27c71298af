package queue

import "time"

// Phase is where a job is in its life.
type Phase uint8

const (
	PhaseNone Phase = iota
	Ready
	Reserved
	Delayed
	Buried
)

func (p Phase) String() string {
	return [...]string{"none", "ready", "reserved", "delayed", "buried"}[p]
}

// UrgentBelow is the priority below which a ready job counts as urgent.
const UrgentBelow = 1024

// LowFrom is the priority from which a job counts as low.
const LowFrom = 65536

// Counts are jobs by phase; Urgent is the part of Ready below UrgentBelow, Bytes the
// length of the bodies of those that are Ready.
type Counts struct {
	Urgent, Ready, Reserved, Delayed, Buried uint64
	Bytes                                    uint64
}

// Stats describes the whole server.
type Stats struct {
	Counts
	Timeouts  uint64 // leases that ran out
	TotalJobs uint64 // jobs put since the server started
	Expired   uint64 // jobs whose time passed
	Queues    uint64
	Waiting   uint64 // sessions in a reserve
	Sessions  uint64
}

// QueueStats describes one queue.
type QueueStats struct {
	Name string
	Counts
	Low       uint64 // of Ready, those of low priority
	TotalJobs uint64 // jobs put since the server started
	Using     uint64 // sessions that use it
	Watching  uint64 // sessions that watch it
	Waiting   uint64 // of those, the ones in a reserve
	Expired   uint64 // jobs whose time passed
	Deletes   uint64
	Waited    time.Duration // how long the job reserved last had been there
	Pauses    uint64
	Pause     time.Duration // length of the last pause; 0 when over
	PauseLeft time.Duration
}

// JobStats describes one job.
type JobStats struct {
	ID        JobID
	Queue     string
	Phase     Phase
	Pri       uint32
	Age       time.Duration
	Delay     time.Duration
	TTR       time.Duration
	Left      time.Duration // until the lease ends or the job is ready; else 0
	Reserves  uint32
	Timeouts  uint32
	Releases  uint32
	Buries    uint32
	Kicks     uint32
	Unique    string
	Volatile  bool // not in the log
	Orphan    bool // volatile, reserved, and nobody follows it any more
	Followers int
	N, M      uint64 // progress: N of M
	// PutBy and HeldBy are the doors the job came through and was last reserved
	// through; 0: not known.
	PutBy, HeldBy Source
}

// Source is the door a session came through, as a number that the doors agree on.
type Source uint8
