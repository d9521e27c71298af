package netserve

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// errAgain says that a call would have to wait.
const errAgain = syscall.EAGAIN

// poller is an epoll with a descriptor that interrupts it. Connections are watched
// edge-triggered: one epoll_ctl in the life of most.
type poller struct {
	epoll, event int
	events       []syscall.EpollEvent
	busy         bool // the last wait found more than one event
}

const (
	eventsPerTurn = 256
	epollET       = 1 << 31

	interruptFd = -1 // Fd of the event that interrupts; doorsteps count down from here
	forInput    = syscall.EPOLLIN | syscall.EPOLLRDHUP | epollET
)

func newPoller() (poller, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return poller{}, err
	}
	event, _, errno := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		syscall.Close(epoll)
		return poller{}, errno
	}
	p := poller{epoll: epoll, event: int(event), events: make([]syscall.EpollEvent, eventsPerTurn)}
	// Edge-triggered, every write to it is an event, and nobody has to read it.
	return p, p.control(syscall.EPOLL_CTL_ADD, p.event, syscall.EpollEvent{
		Events: syscall.EPOLLIN | epollET, Fd: interruptFd,
	})
}

func (p *poller) close() {
	syscall.Close(p.epoll)
	syscall.Close(p.event)
}

func (p *poller) control(op, fd int, e syscall.EpollEvent) error {
	return syscall.EpollCtl(p.epoll, op, fd, &e)
}

// add watches a connection for input.
func (p *poller) add(fd int, tag uint64) error {
	return p.control(syscall.EPOLL_CTL_ADD, fd, tagged(forInput, tag))
}

// addDoor watches a listener, level-triggered.
func (p *poller) addDoor(fd, i int) error {
	return p.control(syscall.EPOLL_CTL_ADD, fd, syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: interruptFd - 1 - int32(i)})
}

// doorIndex is the i of addDoor; negative if the event is an interrupt.
func doorIndex(e *syscall.EpollEvent) int { return int(interruptFd - 1 - e.Fd) }

func (p *poller) removeDoor(fd int) { p.control(syscall.EPOLL_CTL_DEL, fd, syscall.EpollEvent{}) }

// watch says whether room for output is an event, too.
func (p *poller) watch(fd int, tag uint64, output bool) {
	events := uint32(forInput)
	if output {
		events |= syscall.EPOLLOUT
	}
	p.control(syscall.EPOLL_CTL_MOD, fd, tagged(events, tag))
}

// tagged is an event of the connection with that tag.
func tagged(events uint32, tag uint64) syscall.EpollEvent {
	return syscall.EpollEvent{Events: events, Fd: int32(uint32(tag)), Pad: int32(tag >> 32)}
}

func eventTag(e *syscall.EpollEvent) uint64 {
	return uint64(uint32(e.Pad))<<32 | uint64(uint32(e.Fd))
}

// interrupt ends a wait. Writing 1 to an eventfd blocks only after 2^64 times.
func (p *poller) interrupt() {
	one := uint64(1)
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(p.event), uintptr(unsafe.Pointer(&one)), 8)
}

// wait waits for events: not at all when patience is 0, for ever when it is
// negative. It sets asleep while it may be interrupted, and does not sleep when
// there are signals.
//
// A look that cannot block is a raw system call. One that may block tells the Go
// scheduler, because a garbage collection would otherwise wait for the client.
func (p *poller) wait(patience time.Duration, asleep, signals *atomic.Bool) ([]syscall.EpollEvent, error) {
	if patience == 0 || p.busy {
		n, errno := p.look()
		if n > 0 || patience == 0 || errno != 0 {
			p.busy = n > 1
			return p.events[:n], p.failure(errno)
		}
	}
	asleep.Store(true)
	defer asleep.Store(false)
	if signals.Load() {
		patience = 0
	}
	msec := -1
	if patience >= 0 {
		msec = int((patience + time.Millisecond - 1) / time.Millisecond)
	}
	n, err := syscall.EpollWait(p.epoll, p.events, msec)
	if err == syscall.EINTR {
		n, err = 0, nil
	}
	p.busy = n > 1
	return p.events[:max(n, 0)], err
}

func (p *poller) look() (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.epoll),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 {
		n = 0
	}
	return int(n), errno
}

func (p *poller) failure(errno syscall.Errno) error {
	if errno == 0 || errno == syscall.EINTR {
		return nil
	}
	return errno
}

// rawRead and rawWrite are for descriptors that never block.
func rawRead(fd int, p []byte) (int, error) { return raw(syscall.SYS_READ, fd, p) }

func rawWrite(fd int, p []byte) (int, error) { return raw(syscall.SYS_WRITE, fd, p) }

func raw(call uintptr, fd int, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, errAgain
		default:
			return 0, errno
		}
	}
}
