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

// Counts are jobs by phase; Urgent is the part of Ready below UrgentBelow.
type Counts struct {
	Urgent, Ready, Reserved, Delayed, Buried uint64
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
	TotalJobs uint64 // jobs put since the server started
	Using     uint64 // sessions that use it
	Watching  uint64 // sessions that watch it
	Waiting   uint64 // of those, the ones in a reserve
	Deletes   uint64
	Pauses    uint64
	Pause     time.Duration // length of the last pause; 0 when over
	PauseLeft time.Duration
}

// JobStats describes one job.
type JobStats struct {
	ID       JobID
	Queue    string
	Phase    Phase
	Pri      uint32
	Age      time.Duration
	Delay    time.Duration
	TTR      time.Duration
	Left     time.Duration // until the lease ends or the job is ready; else 0
	Reserves uint32
	Timeouts uint32
	Releases uint32
	Buries   uint32
	Kicks    uint32
}
