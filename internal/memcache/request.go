package memcache

// Limits of the protocols, in bytes.
const (
	maxKey    = 250  // a key
	maxLine   = 2048 // a line, unless it is a list of keys
	maxTokens = 24   // words of a line
)

// verb is what a request wants, in whichever protocol it came.
type verb uint8

const (
	verbNone verb = iota
	verbSet
	verbAdd
	verbReplace
	verbAppend
	verbPrepend
	verbCAS
	verbGet
	verbTouch
	verbArithmetic
	verbDelete
	verbDebug
	verbNoop
	verbFlush
	verbFlushAll
	verbFlushExpired
	verbMonitor
	verbConfirm
	verbStats
	verbDumpStats
	verbStatus
	verbVersion
	verbVerbosity
	verbReload
	verbShutdown
	verbQuit
)

// stores says whether a value comes with the request.
func (v verb) stores() bool { return v >= verbSet && v <= verbCAS }

// style is the protocol that a request came in and its answer goes out in.
type style uint8

const (
	textual style = iota
	meta
	packets
)

// request is what was read. It knows nothing of the connection it came over; key and
// meta are parts of what was read.
type request struct {
	verb  verb
	style style
	quiet bool // what goes as usual is not answered

	key     []byte
	size    uint64 // bytes of the value that follows
	follows bool   // although the line is malformed
	flags   uint32 // the client's, kept with the value
	expiry  int64  // as it was sent; see area.deadline and expiresAt
	n, max  uint64 // of monitor and confirm
	arg     []byte // of stats and status

	cas     uint64
	compare bool // do it only if cas is the item's
	touch   bool // give it a new expiry

	withCAS bool // text: gets
	withKey bool // binary: the answer has the key

	decrement      bool
	delta, initial uint64
	create         bool // with initial, or empty, if there is none
	createExpiry   int64

	meta       []byte // the flags of a meta command
	value      bool   // meta: the value is wanted
	stale      bool   // meta: mark as stale
	recache    bool   // meta: who finds less than recacheTTL left is to renew it
	noBump     bool   // meta: as if it were not used
	binaryKey  bool   // meta: the key came in base64
	recacheTTL int64

	opcode byte   // binary
	opaque uint32 // binary
}

// outcome is how a request went.
type outcome uint8

const (
	outStored outcome = iota
	outNotStored
	outExists
	outNotFound
	outDeleted
	outTouched
	outHit
	outMiss
	outNumber
	outNonNumeric
	outTooLarge
	outNoMemory
	outNoRoom
	outNotForQueues
	outDone
	outEnd
	outFlushed
	outBadOptions
	outTooManyOpen
	outOpenRead
	outRefused
)

// outcomes holds the words for an outcome: a line of text, the code of a meta
// command, the status of the binary protocol.
var outcomes = [...]struct {
	text, meta string
	status     uint16
}{
	outStored:       {"STORED", "HD", 0},
	outNotStored:    {"NOT_STORED", "NS", statusNotStored},
	outExists:       {"EXISTS", "EX", statusExists},
	outNotFound:     {"NOT_FOUND", "NF", statusNotFound},
	outDeleted:      {"DELETED", "HD", 0},
	outTouched:      {"TOUCHED", "HD", 0},
	outHit:          {"", "HD", 0},
	outMiss:         {"END", "EN", statusNotFound},
	outNumber:       {"", "HD", 0},
	outNonNumeric:   {"CLIENT_ERROR cannot increment or decrement non-numeric value", "", statusNonNumeric},
	outTooLarge:     {"SERVER_ERROR object too large for cache", "", statusTooLarge},
	outNoMemory:     {"SERVER_ERROR out of memory storing object", "", statusNoMemory},
	outNoRoom:       {"SERVER_ERROR the log has no room for another job: free space on its disk or delete jobs", "", statusNoMemory},
	outNotForQueues: {"CLIENT_ERROR this key is a queue, which takes set, get and delete only", "", statusNotSupported},
	outDone:         {"OK", "HD", 0},
	outEnd:          {"END", "HD", 0},
	outFlushed:      {"Flushed all queues.", "HD", 0},
	outBadOptions:   {"CLIENT_ERROR a queue's name is missing, or its options contradict each other", "", statusInvalid},
	outTooManyOpen:  {"ERROR", "", statusBusy},
	outOpenRead:     {"ERROR", "", statusBusy},
	outRefused:      {"SERVER_ERROR refused: settings are made where the server is started", "", statusNotSupported},
}

// fails says whether the outcome is an error, which is told even to who asked for
// quiet in the meta commands and the binary protocol.
func (o outcome) fails() bool { return outcomes[o].meta == "" }
