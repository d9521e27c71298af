package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/queue"
	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/internal/wal"
)

func logCommand(args []string, stdout, stderr io.Writer) int {
	s := config.NewSet("millrace log", "verify|dump DIR", "Look at the log in the data directory DIR, which no server may be using. Nothing is\nchanged. verify reads all of it and says what is there and where it is damaged, if it\nis; dump prints what a restart would read after the last snapshot.")
	s.Examples = []string{"millrace log verify ~/.local/state/millrace"}
	rest, exit, ok := parse(s, args, stdout, stderr)
	if !ok {
		return exit
	}
	if len(rest) != 2 {
		return usageError(stderr, errors.New("log needs verify or dump, and a directory; `millrace log --help` says more"))
	}
	var err error
	switch rest[0] {
	case "verify":
		if err = wal.Verify(vfs.OS, rest[1], stdout); err == nil {
			fmt.Fprintln(stdout, "no damage")
		}
	case "dump":
		err = dumpLog(rest[1], stdout)
	default:
		return usageError(stderr, fmt.Errorf("log knows verify and dump, not %q", rest[0]))
	}
	if err != nil {
		return failure(stderr, err)
	}
	return exitOK
}

// dumpLog prints a line for each batch of the log in dir.
func dumpLog(dir string, w io.Writer) error {
	return wal.Dump(vfs.OS, dir, func(f wal.Frame, batch []byte) error {
		if batch == nil {
			return nil // a mark, or a part of a batch that follows
		}
		b, err := queue.DecodeBatch(batch)
		if err != nil {
			return fmt.Errorf("batch %d: %w", f.Index, err)
		}
		clock := time.Unix(0, b.Clock).UTC().Format(time.RFC3339Nano)
		if _, err := fmt.Fprintf(w, "batch %d  epoch %d, sequence %d, clock %s\n", f.Index, b.Epoch, b.Seq, clock); err != nil {
			return err
		}
		if err := queue.Describe(b, func(line string) { fmt.Fprintf(w, "  %s\n", line) }); err != nil {
			return fmt.Errorf("batch %d: %w", f.Index, err)
		}
		return nil
	})
}
