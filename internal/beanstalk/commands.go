package beanstalk

import (
	"strings"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// command is a row of the table below.
type command uint8

const (
	cmdNone command = iota
	cmdPut
	cmdPeek
	cmdPeekReady
	cmdPeekDelayed
	cmdPeekBuried
	cmdReserveTimeout
	cmdReserveJob
	cmdReserveMS
	cmdReserveBatch
	cmdReserve
	cmdDelete
	cmdRelease
	cmdBury
	cmdKick
	cmdKickJob
	cmdTouch
	cmdStatsJob
	cmdStatsTube
	cmdStats
	cmdUse
	cmdWatch
	cmdIgnore
	cmdListTubesWatched
	cmdListTubeUsed
	cmdListTubes
	cmdQuit
	cmdPauseTube
	cmdHello
	cmdPutMS
	cmdPutBatch
	cmdReleaseMS
	cmdPauseMS
	cmdClearTube
	cmdJobDoors
	commandCount
)

// args says what follows a command's word.
type args uint8

const (
	argNone         args = iota // nothing
	argAny                      // whatever
	argPut                      // <pri> <delay> <ttr> <bytes>
	argID                       // <id>
	argIDPri                    // <id> <pri>
	argIDPriDelay               // <id> <pri> <delay>
	argTimeout                  // <timeout>, and whatever
	argCount                    // a number as C's strtoul reads it, and whatever
	argCountTimeout             // <count> <timeout>
	argName                     // <tube>
	argNameDelay                // <tube> <delay>
)

// form says how a good answer looks.
type form uint8

const (
	formWord  form = iota // the word alone
	formText              // text made when the request was read
	formID                // word, id
	formN                 // word, number
	formJob               // word, id, length; body
	formBatch             // jobs with their tubes, one after another
	formNames             // YAML list
	formStats             // YAML map
	formDoors             // word, door, door
)

// spec is what there is to know about a command.
type spec struct {
	word  string        // what its line begins with
	args  args          // what follows
	unit  time.Duration // of the durations in it
	op    queue.Op      // what it asks of the queue; none: the connection answers itself
	form  form          // the look of a good answer
	reply string        // first word of it
	as    command       // the command it counts as in stats; none: it is not counted
	// extension commands exist only after hello.
	extension bool
	// alone: nothing behind it is read before its answer, because the answer may
	// take its time or because it reads counters that later commands change.
	alone bool
}

const (
	sec = time.Second
	ms  = time.Millisecond
)

// commands is the protocol. A line belongs to the first row whose word it begins
// with: rows with a common prefix stand longest first.
var commands = [commandCount]spec{
	cmdPut:              {word: "put ", args: argPut, unit: sec, op: queue.OpPut, form: formID, reply: "INSERTED ", as: cmdPut},
	cmdPeek:             {word: "peek ", args: argID, op: queue.OpPeek, form: formJob, reply: "FOUND ", as: cmdPeek},
	cmdPeekReady:        {word: "peek-ready", op: queue.OpPeekReady, form: formJob, reply: "FOUND ", as: cmdPeekReady},
	cmdPeekDelayed:      {word: "peek-delayed", op: queue.OpPeekDelayed, form: formJob, reply: "FOUND ", as: cmdPeekDelayed},
	cmdPeekBuried:       {word: "peek-buried", op: queue.OpPeekBuried, form: formJob, reply: "FOUND ", as: cmdPeekBuried},
	cmdReserveTimeout:   {word: "reserve-with-timeout ", args: argTimeout, unit: sec, op: queue.OpReserve, form: formJob, reply: "RESERVED ", as: cmdReserveTimeout, alone: true},
	cmdReserveJob:       {word: "reserve-job ", args: argID, op: queue.OpReserveJob, form: formJob, reply: "RESERVED "},
	cmdReserve:          {word: "reserve", op: queue.OpReserve, form: formJob, reply: "RESERVED ", as: cmdReserve, alone: true},
	cmdDelete:           {word: "delete ", args: argID, op: queue.OpDelete, reply: "DELETED\r\n", as: cmdDelete},
	cmdRelease:          {word: "release ", args: argIDPriDelay, unit: sec, op: queue.OpRelease, reply: "RELEASED\r\n", as: cmdRelease},
	cmdBury:             {word: "bury ", args: argIDPri, op: queue.OpBury, reply: "BURIED\r\n", as: cmdBury},
	cmdKick:             {word: "kick ", args: argCount, op: queue.OpKick, form: formN, reply: "KICKED ", as: cmdKick, alone: true},
	cmdKickJob:          {word: "kick-job ", args: argID, op: queue.OpKickJob, reply: "KICKED\r\n"},
	cmdTouch:            {word: "touch ", args: argID, op: queue.OpTouch, reply: "TOUCHED\r\n", as: cmdTouch},
	cmdStatsJob:         {word: "stats-job ", args: argID, op: queue.OpJobStats, form: formStats, as: cmdStatsJob},
	cmdStatsTube:        {word: "stats-tube ", args: argName, op: queue.OpQueueStats, form: formStats, as: cmdStatsTube},
	cmdStats:            {word: "stats", op: queue.OpStats, form: formStats, as: cmdStats, alone: true},
	cmdUse:              {word: "use ", args: argName, op: queue.OpUse, form: formText, reply: "USING ", as: cmdUse},
	cmdWatch:            {word: "watch ", args: argName, op: queue.OpWatch, form: formN, reply: "WATCHING ", as: cmdWatch},
	cmdIgnore:           {word: "ignore ", args: argName, op: queue.OpIgnore, form: formN, reply: "WATCHING ", as: cmdIgnore},
	cmdListTubesWatched: {word: "list-tubes-watched", op: queue.OpWatched, form: formNames, as: cmdListTubesWatched},
	cmdListTubeUsed:     {word: "list-tube-used", form: formText, reply: "USING ", as: cmdListTubeUsed},
	cmdListTubes:        {word: "list-tubes", op: queue.OpQueues, form: formNames, as: cmdListTubes},
	cmdQuit:             {word: "quit", args: argAny},
	cmdPauseTube:        {word: "pause-tube", args: argNameDelay, unit: sec, op: queue.OpPause, reply: "PAUSED\r\n", as: cmdPauseTube},

	cmdHello:        {word: "hello", form: formText},
	cmdPutMS:        {word: "put-ms ", args: argPut, unit: ms, op: queue.OpPut, form: formID, reply: "INSERTED ", as: cmdPut, extension: true},
	cmdPutBatch:     {word: "put-batch ", args: argPut, unit: ms, op: queue.OpPut, form: formID, reply: "INSERTED ", extension: true},
	cmdReserveMS:    {word: "reserve-ms ", args: argTimeout, unit: ms, op: queue.OpReserve, form: formJob, reply: "RESERVED ", as: cmdReserveTimeout, extension: true, alone: true},
	cmdReserveBatch: {word: "reserve-batch ", args: argCountTimeout, unit: ms, op: queue.OpReserve, form: formBatch, reply: "RESERVED ", as: cmdReserveTimeout, extension: true, alone: true},
	cmdReleaseMS:    {word: "release-ms ", args: argIDPriDelay, unit: ms, op: queue.OpRelease, reply: "RELEASED\r\n", as: cmdRelease, extension: true},
	cmdPauseMS:      {word: "pause-ms ", args: argNameDelay, unit: ms, op: queue.OpPause, reply: "PAUSED\r\n", as: cmdPauseTube, extension: true},
	cmdClearTube:    {word: "clear-tube ", args: argName, op: queue.OpPurge, form: formN, reply: "CLEARED ", extension: true, alone: true},
	cmdJobDoors:     {word: "job-doors ", args: argID, op: queue.OpJobStats, form: formDoors, reply: "DOORS ", extension: true},
}

// name is the command's as stats spells it.
func (c command) name() string { return strings.TrimSuffix(commands[c].word, " ") }

// byFirst holds the rows by the first byte of their word, in the table's order.
var byFirst = func() (t [256][]command) {
	for c := cmdNone + 1; c < commandCount; c++ {
		first := commands[c].word[0]
		t[first] = append(t[first], c)
	}
	return t
}()

// lookup finds the command of a line; cmdNone if there is none. Extension
// commands count only when extended.
func lookup(line []byte, extended bool) command {
	if len(line) == 0 {
		return cmdNone
	}
	for _, c := range byFirst[line[0]] {
		s := &commands[c]
		if len(line) >= len(s.word) && string(line[:len(s.word)]) == s.word && (extended || !s.extension) {
			return c
		}
	}
	return cmdNone
}
