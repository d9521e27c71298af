package gearman

// command is the type of a packet.
type command uint32

// The types of packets, by their numbers on the wire.
const (
	cmdText command = iota // no packet, but a line
	cmdCanDo
	cmdCantDo
	cmdResetAbilities
	cmdPreSleep
	cmdUnused
	cmdNoop
	cmdSubmitJob
	cmdJobCreated
	cmdGrabJob
	cmdNoJob
	cmdJobAssign
	cmdWorkStatus
	cmdWorkComplete
	cmdWorkFail
	cmdGetStatus
	cmdEchoReq
	cmdEchoRes
	cmdSubmitJobBG
	cmdError
	cmdStatusRes
	cmdSubmitJobHigh
	cmdSetClientID
	cmdCanDoTimeout
	cmdAllYours
	cmdWorkException
	cmdOptionReq
	cmdOptionRes
	cmdWorkData
	cmdWorkWarning
	cmdGrabJobUniq
	cmdJobAssignUniq
	cmdSubmitJobHighBG
	cmdSubmitJobLow
	cmdSubmitJobLowBG
	cmdSubmitJobSched
	cmdSubmitJobEpoch
	cmdSubmitReduceJob
	cmdSubmitReduceJobBG
	cmdGrabJobAll
	cmdJobAssignAll
	cmdGetStatusUnique
	cmdStatusResUnique
	commandCount
)

// The priorities of jobs.
const (
	priHigh   = 256
	priNormal = 1024
	priLow    = 65536
)

// spec is what there is to know about a packet that may come in.
type spec struct {
	name string // as the HTTP front end shows it
	args int    // arguments, each ended by NUL, except a last one without data behind it
	data bool   // data follows the arguments
	run  func(*conn, *request)
	// For those that submit:
	pri        uint32
	foreground bool
	// lost is what is answered when a worker reports on a job it does not hold.
	lost string
}

// commands is the protocol. A packet without run is the server's to send.
var commands [commandCount]spec

func init() {
	const (
		notFound = "Job given in work result not found"
		noJob    = "Job does not exist on server"
		noThrow  = "An exception was received for a job that does not exist"
	)
	commands = [commandCount]spec{
		cmdCanDo:          {args: 1, run: (*conn).canDo},
		cmdCantDo:         {args: 1, run: (*conn).cantDo},
		cmdResetAbilities: {run: (*conn).resetAbilities},
		cmdPreSleep:       {run: (*conn).preSleep},
		cmdCanDoTimeout:   {args: 2, run: (*conn).canDo},
		cmdSetClientID:    {args: 1, run: (*conn).setClientID},
		cmdGrabJob:        {run: (*conn).grab},
		cmdGrabJobUniq:    {run: (*conn).grab},
		cmdGrabJobAll:     {run: (*conn).grab},

		cmdWorkStatus:    {args: 3, run: (*conn).report, lost: notFound},
		cmdWorkData:      {args: 1, data: true, run: (*conn).report, lost: noJob},
		cmdWorkWarning:   {args: 1, data: true, run: (*conn).report, lost: noJob},
		cmdWorkComplete:  {name: "WORK_COMPLETE", args: 1, data: true, run: (*conn).finish, lost: notFound},
		cmdWorkFail:      {name: "WORK_FAIL", args: 1, run: (*conn).finish, lost: notFound},
		cmdWorkException: {args: 1, data: true, run: (*conn).finish, lost: noThrow},

		cmdSubmitJob:         {args: 2, data: true, run: (*conn).submit, pri: priNormal, foreground: true},
		cmdSubmitJobHigh:     {args: 2, data: true, run: (*conn).submit, pri: priHigh, foreground: true},
		cmdSubmitJobLow:      {args: 2, data: true, run: (*conn).submit, pri: priLow, foreground: true},
		cmdSubmitJobBG:       {args: 2, data: true, run: (*conn).submit, pri: priNormal},
		cmdSubmitJobHighBG:   {args: 2, data: true, run: (*conn).submit, pri: priHigh},
		cmdSubmitJobLowBG:    {args: 2, data: true, run: (*conn).submit, pri: priLow},
		cmdSubmitJobSched:    {args: 7, data: true, run: (*conn).submit, pri: priNormal},
		cmdSubmitJobEpoch:    {args: 3, data: true, run: (*conn).submit, pri: priNormal},
		cmdSubmitReduceJob:   {args: 4, data: true, run: (*conn).submit, pri: priNormal, foreground: true},
		cmdSubmitReduceJobBG: {args: 4, data: true, run: (*conn).submit, pri: priNormal},

		cmdGetStatus:       {args: 1, run: (*conn).getStatus},
		cmdGetStatusUnique: {args: 1, run: (*conn).getStatus},
		cmdEchoReq:         {data: true, run: (*conn).echo},
		cmdOptionReq:       {args: 1, run: (*conn).option},
		cmdJobCreated:      {name: "JOB_CREATED"},
	}
}
