package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"
)

// patience is how long the server may leave a request that needs no waiting
// without a reply.
const patience = 30 * time.Second

// split turns "unix:path" and "host:port" into what package net wants.
func split(address string) (network, addr string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix", path
	}
	return "tcp", address
}

// step is one kind of batch that a connection sends.
type step int

const (
	putStep step = iota
	reserveStep
	deleteStep
	stepKinds
)

// The steps that connections repeat.
var (
	producerSteps = []step{putStep}
	workerSteps   = []step{reserveStep, deleteStep}
	playerSteps   = []step{putStep, reserveStep, deleteStep}
)

// conn is one connection of a loop. It sends a batch, waits for all its replies,
// and goes on to its next step.
type conn struct {
	sock     *socket
	steps    []step
	at       int      // index of the current step
	awaiting int      // replies still to come
	sentAt   int64    // when the batch was sent
	tube     int      // number of the tube that the next put's reply is about, or of one that is watched
	early    int      // requests of the next step that are sent already
	ids      []uint64 // jobs reserved and not yet deleted
	partial  []byte   // an incomplete reply
	unsent   []byte   // what the kernel did not take of the batch
}

// dialUser connects and uses the tube.
func dialUser(ctx context.Context, address, tube string) (*socket, error) {
	return dialReady(ctx, address, useCommands(tube))
}

// dialWatcher connects and watches these tubes alone.
func dialWatcher(ctx context.Context, address string, tubes []string) (*socket, error) {
	return dialReady(ctx, address, watchCommands(tubes))
}

// dialPlayer connects, uses the tube and watches it alone.
func dialPlayer(ctx context.Context, address, tube string) (*socket, error) {
	return dialReady(ctx, address, useCommands(tube), watchCommands([]string{tube}))
}

// setup is commands that are all answered with a line that starts as wanted.
type setup struct {
	commands []string
	want     string
}

func useCommands(tube string) setup {
	return setup{[]string{"use " + tube + "\r\n"}, "USING "}
}

func watchCommands(tubes []string) setup {
	commands := make([]string, 0, len(tubes)+1)
	for _, t := range tubes {
		commands = append(commands, "watch "+t+"\r\n")
	}
	return setup{append(commands, "ignore default\r\n"), "WATCHING "}
}

func dialReady(ctx context.Context, address string, setups ...setup) (*socket, error) {
	s, err := dial(ctx, address)
	if errors.Is(err, syscall.EMFILE) {
		return nil, fmt.Errorf("%w; raise their number with `ulimit -n`, or ask for fewer connections", err)
	}
	if err != nil {
		return nil, err
	}
	for _, c := range setups {
		if err := s.exchange(c); err != nil {
			s.close()
			return nil, explain(err)
		}
	}
	return s, nil
}

// exchange sends setup commands, some at a time, and reads their replies.
func (s *socket) exchange(c setup) error {
	if len(c.commands) == 0 {
		return nil
	}
	// Few enough for the replies to fit into the socket's buffer.
	atOnce := min(max((1<<20)/len(c.commands[0]), 1), 500)
	buf := make([]byte, 4<<10)
	for commands := range slices.Chunk(c.commands, atOnce) {
		if err := s.writeAll([]byte(strings.Join(commands, ""))); err != nil {
			return err
		}
		if err := s.readReplies(len(commands), c.want, buf); err != nil {
			line, _, _ := strings.Cut(commands[0], "\r\n")
			return fmt.Errorf("%q: %w", line, err)
		}
	}
	return nil
}

func (s *socket) readReplies(n int, want string, buf []byte) error {
	held := 0
	for n > 0 {
		got, err := s.read(buf[held:])
		if err != nil {
			return err
		}
		held += got
		at := 0
		for ; n > 0; n-- {
			used, err := prefixed(buf[at:held], want)
			if err != nil {
				return err
			}
			if used == 0 {
				break
			}
			at += used
		}
		held = copy(buf, buf[at:held])
	}
	if held > 0 {
		return fmt.Errorf("received %q, which nothing asked for", buf[:min(held, 80)])
	}
	return nil
}

func (s *socket) writeAll(b []byte) error {
	for len(b) > 0 {
		n, err := s.write(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func explain(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the server closed the connection")
	}
	return err
}
