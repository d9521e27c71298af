package queue

import "time"

// JobID names a job: group<<40 | n, n counting from 1. Ids are below 2^53, may
// have gaps and never repeat.
type JobID uint64

// MaxJobID is above every id: npm clients hold ids as floating point numbers.
const MaxJobID JobID = 1 << 53

// SessionID names a session: a connection, seen from the core. The zero value
// names none. Ids of sessions are reused only with another generation.
type SessionID uint64

// Op says what a Request asks for.
type Op uint8

// The operations. For each: the fields of Request it reads, and what its
// Result holds beside Err. Operations marked deferred may be answered in a
// later turn; the door sends nothing more for that session until then.
const (
	OpNone Op = iota

	// OpClose ends a session: its leases end, its jobs become ready, its waiting
	// request is dropped. It has no Result.
	OpClose

	// OpPut adds a job to Queue (empty: the queue the session uses). Reads Pri,
	// Delay, TTR (0: leases last as long as their session), ExpiresAt, Body, More,
	// Upload when the body came in chunks, FlagVolatile, FlagFollow and FlagFanOut.
	// Result: ID; N is 1 when a job with the same unique key was there and took the
	// place of a new one. Err: ErrNoSpace, ErrQueueFull.
	OpPut
	// OpChunk stores Body as the next piece of the upload named Upload, which the
	// door chooses (unique within the session, not 0).
	OpChunk
	// OpDropUpload forgets the chunks of Upload.
	OpDropUpload
	// OpSkipID uses up one job id without a job.
	OpSkipID

	// OpImport puts a job, with the ID and the life it had elsewhere. Reads ID, Queue,
	// Pri, Delay, TTR, Body, Upload and Import. Result: ID. Err: ErrBadRequest when
	// the id is taken.
	OpImport

	// OpReserve takes the most urgent ready job of the session's watched queues, or of
	// Queue alone. Reads Timeout (0: at once, negative: for ever; with Queue: 0), TTR
	// (the length of the lease; 0: the job's, negative: as long as the session),
	// FlagDeadlineSoon, FlagInOrder, FlagInTurn, FlagMore and FlagTake. Deferred.
	// Result: the job. Err: ErrTimedOut, ErrDeadlineSoon, with FlagTake ErrNoSpace.
	OpReserve
	// OpCancelReserve ends the session's waiting OpReserve, which is then answered
	// with ErrTimedOut. It has no Result of its own.
	OpCancelReserve
	// OpReserveJob takes job ID unless it is reserved. Result: the job. Err:
	// ErrNotFound.
	OpReserveJob
	// OpSleep asks for one EventWake when a watched queue has a job for the session: at
	// once, or later. As many sessions are woken as there are jobs. It has no Result.
	OpSleep

	// OpAck removes job ID, which the session must hold. Its followers get Event
	// (EventNone: EventComplete) with Body and More.Chunks. Err: ErrNotFound.
	OpAck
	// OpReport tells the followers of job ID, which the session must hold, Event:
	// EventData, EventWarning (with Body and More.Chunks) or EventProgress (N of M).
	// Err: ErrNotFound.
	OpReport
	// OpFollow makes the session observe job ID. Err: ErrNotFound.
	OpFollow
	// OpDelete removes job ID unless another session holds it. Its followers get
	// EventComplete if the session held it, else EventFail. Err: ErrNotFound.
	OpDelete
	// OpRelease gives back job ID, which the session must hold, with a new Pri and
	// Delay. Err: ErrNotFound.
	OpRelease
	// OpGiveBack ends the leases the session holds on jobs of Queue (empty: of any), as
	// its end would. Result: N.
	OpGiveBack
	// OpBury parks job ID, which the session must hold, with a new Pri. Its followers
	// get EventFail. Err: ErrNotFound.
	OpBury
	// OpTouch restarts the lease of job ID, which the session must hold, with the
	// length TTR (0: the job's, negative: as long as the session). Err: ErrNotFound.
	OpTouch
	// OpKick makes up to N buried jobs of Queue ready, the oldest first, or, when
	// none is buried, up to N delayed ones, the soonest first. Deferred. Result: N.
	OpKick
	// OpKickJob makes job ID ready if it is buried or delayed. Err: ErrNotFound.
	OpKickJob
	// OpPurge removes every job of Queue that is not reserved. Deferred.
	// Result: N. Err: ErrNotFound.
	OpPurge

	// OpPeek reads job ID, OpPeekReady, OpPeekDelayed and OpPeekBuried the next job
	// of Queue in that phase, without taking it. Result: the job. Err: ErrNotFound.
	OpPeek
	OpPeekReady
	OpPeekDelayed
	OpPeekBuried

	// OpUse makes Queue the one that requests of the session mean when they name
	// none. A session starts using "default".
	OpUse
	// OpWatch adds Queue to those the session reserves from, OpIgnore takes it
	// away. A session starts watching "default". Result: N, how many it watches.
	// Err: ErrNotIgnored when it would watch none. In the order the queues are in, the
	// last takes the place of one that is ignored; with FlagInOrder the rest move up.
	OpWatch
	OpIgnore
	// OpWatched lists the queues the session watches. Result: Info ([]string).
	OpWatched
	// OpPause holds back the jobs of Queue from reserve for Delay (0 ends a pause).
	// Err: ErrNotFound.
	OpPause

	// OpStats, OpQueueStats (of Queue) and OpJobStats (of ID) count things. Result:
	// Info (*Stats, *QueueStats, *JobStats). Err: ErrNotFound.
	OpStats
	OpQueueStats
	OpJobStats
	// OpQueues lists all queues: in the order they were made, but that the last takes
	// the place of one that goes. Result: Info ([]string).
	OpQueues
	// OpAllQueueStats counts things of every queue, by name. Result: Info
	// ([]QueueStats).
	OpAllQueueStats
	// OpList describes up to N jobs with ids above ID, of Queue unless it is empty.
	// Result: Info ([]JobStats).
	OpList
	// OpFind describes the job with unique key Body: of Queue, or of any queue when that
	// is empty. Result: Info (*JobStats). Err: ErrNotFound.
	OpFind
	// OpConfigure gives Queue the settings in Settings. Result: Info (Settings), those
	// it had. OpSettings reads them, of a queue or (nil Info) of none.
	OpConfigure
	OpSettings
)

// Flags of a Request.
type Flags uint8

const (
	// FlagDeadlineSoon on OpReserve: answer ErrDeadlineSoon when no job is ready and
	// a lease the session holds ends within DeadlineMargin.
	FlagDeadlineSoon Flags = 1 << iota
	// FlagInOrder on OpReserve: from the watched queue named last that has a job,
	// whatever the priorities of the others', as gearmand does.
	FlagInOrder
	// FlagInTurn on OpReserve: of queues whose next jobs have the same priority (with
	// FlagInOrder, of all that have a job), the one whose turn it is.
	FlagInTurn
	// FlagMore on OpReserve and OpPeekReady: Result.Extra is wanted.
	FlagMore
	// FlagVolatile on OpPut and OpChunk: the job is not in the log; it ends with the
	// last session that follows it, and with the server.
	FlagVolatile
	// FlagFollow on OpPut: the session observes the job.
	FlagFollow
	// FlagFanOut on OpPut: the queues that have Queue as their parent get a copy each.
	FlagFanOut
	// FlagTake on OpReserve: the job is done once it is handed out, without a lease. Its
	// followers get EventComplete.
	FlagTake
)

// DeadlineMargin is how long before the end of a lease its holder, waiting in a
// reserve with FlagDeadlineSoon, is told.
const DeadlineMargin = time.Second

// DefaultQueue always exists.
const DefaultQueue = "default"

// MaxInlineBody is the largest body a single OpPut or OpChunk carries, in bytes;
// a larger body comes as chunks before its put.
const MaxInlineBody = 256 << 10

// Request is one thing a session asks for. The slices stay the caller's: they
// must not change until the port has run the request, and the core copies what
// it keeps.
type Request struct {
	Session   SessionID
	ID        JobID
	Queue     []byte        // a queue's name; empty: the one the session uses
	Body      []byte        // the job's bytes
	Delay     time.Duration // until the job is ready
	TTR       time.Duration // length of a lease
	Timeout   time.Duration // how long a reserve waits
	ExpiresAt int64         // wall time in ns since 1970 at which the job goes unworked; 0: never
	Import    *ImportInfo   // OpImport only
	More      *More         // what few requests carry; nil: nothing
	Settings  *Settings     // OpConfigure only
	Upload    uint64        // names a body that comes in chunks; 0: none
	N, M      uint64        // how many, of how many
	Seq       uint32        // the door's number for the request, given back with its Result
	Pri       uint32        // lower is more urgent
	Op        Op
	Flags     Flags
	Event     Event // OpAck, OpReport
}

// More is what few puts, acks and reports carry. It stays the caller's, as the
// slices of Request do.
type More struct {
	// Unique is a key that at most one job of a queue has; empty: none.
	Unique []byte
	// Reducer is handed to whoever reserves the job.
	Reducer []byte
	// ClientFlags is handed to whoever reserves the job.
	ClientFlags uint32
	// ReadyAt is wall time, in ns since 1970, before which the job is not ready; 0: none.
	ReadyAt int64
	// Attempts is how many leases may end without an answer (by time, or with their
	// session) before the job is removed and its followers get EventFail; 0: any number.
	Attempts uint32
	// Chunks follow Request.Body in OpAck and OpReport. They must never change.
	Chunks [][]byte
}

// Extra is the part of More that comes with a job that is reserved.
type Extra struct {
	Unique, Reducer string
	ClientFlags     uint32
}

// Settings are what an operator or a door wants of a queue. A queue with settings
// exists until they are zero again.
type Settings struct {
	// Keep lets the queue exist while it is empty and nobody refers to it.
	Keep bool
	// Max bounds the jobs of a queue for puts of high (below UrgentBelow), normal and
	// low (LowFrom and above) priority; 0: no bound.
	Max [3]uint64
	// ExpireTo is the queue that jobs go to when their time has passed; empty: none.
	ExpireTo string
	// Parent is the queue whose puts with FlagFanOut reach this one, too.
	Parent string
}

// Result answers a Request. It is valid during the call that delivers it.
type Result struct {
	ID   JobID
	N    uint64
	Body Body
	// Queue is the name of the job's queue, for requests that return a job.
	Queue string
	Info  any
	Extra *Extra // with FlagMore; nil: the job has none
	M     uint64 // EventProgress: N of M
	Err   Error
}

// Body is the bytes of a job: Inline, valid as long as the Result, followed by
// Chunks, which never change and may be kept.
type Body struct {
	Inline []byte
	Chunks [][]byte
}

// Len is the length of the body in bytes.
func (b Body) Len() int {
	n := len(b.Inline)
	for _, c := range b.Chunks {
		n += len(c)
	}
	return n
}

// Error is a reason a request was not done. The core gives birth to each once;
// doors turn them into their protocol's words.
type Error uint8

const (
	OK              Error = iota
	ErrNotFound           // no such job or queue, or not the caller's to change
	ErrNotIgnored         // a session watches at least one queue
	ErrTimedOut           // no job came in time
	ErrDeadlineSoon       // a lease of the session is about to end
	ErrQueueFull          // the queue holds as many jobs as its settings allow
	ErrNoSpace            // the log has no room for another job
	ErrUnavailable        // the log has failed, or this node does not lead; the outcome is unknown
	ErrBadRequest         // the request breaks the contract above: a door's bug
)

var errorText = [...]string{
	OK:              "ok",
	ErrNotFound:     "no such job or queue",
	ErrNotIgnored:   "a session watches at least one queue",
	ErrTimedOut:     "no job came in time",
	ErrDeadlineSoon: "a lease is about to end",
	ErrQueueFull:    "the queue holds as many jobs as it may",
	ErrNoSpace:      "the log has no room for another job: free space on its disk or delete jobs",
	ErrUnavailable:  "the log has failed: see the server's own log",
	ErrBadRequest:   "the request is malformed",
}

func (e Error) Error() string { return errorText[e] }

// ImportInfo is the past of a job that comes from elsewhere.
type ImportInfo struct {
	Phase                                       Phase         // Ready, Delayed or Buried
	Age                                         time.Duration // since it was put
	Left                                        time.Duration // Delayed: until it is ready
	Reserves, Timeouts, Releases, Buries, Kicks uint32
}
