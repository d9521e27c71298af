package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/server"
)

// gearmandCommand stands in for gearmand: its arguments, its exit codes, its ways of
// answering.
func gearmandCommand(args []string, stdout, stderr io.Writer) int {
	o, err := config.ReadGearmand(args, os.Getenv)
	if err == nil {
		err = o.Check()
	}
	switch {
	case errors.Is(err, config.ErrVersion):
		fmt.Fprintf(stdout, "\ngearmand %s - https://github.com/millrace/millrace\n", server.GearmandVersion)
		return exitOK
	case errors.Is(err, config.ErrHelp):
		fmt.Fprint(stdout, config.GearmandUsage)
		return exitOK
	case err == nil && o.CheckOnly:
		return exitOK
	case err == nil && o.Daemon && os.Getenv(inBackground) == "":
		err = startInBackground(args, stderr)
	case err == nil:
		err = runGearmand(o, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "gearmand: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// runGearmand serves until a signal comes.
func runGearmand(o config.Gearmand, stdout, stderr io.Writer) error {
	out, err := openLog(o.LogFile, stderr)
	if err != nil {
		return err
	}
	defer out.Close()
	log := newLogger(o.Options, out)
	if o.PIDFile != "" {
		if err := os.WriteFile(o.PIDFile, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
			return fmt.Errorf("cannot write --pid-file: %w", err)
		}
		defer os.Remove(o.PIDFile)
	}
	return server.Run(o.Options, log, func(s *server.Server) {
		tellParent()
		for _, a := range []net.Addr{s.Gearman, s.GearmanHTTP} {
			if a != nil {
				log.Info("serving", "listen", shownAddress(a), "data", o.Data)
			}
		}
	})
}

// logFile is a file that the log goes to. SIGHUP has it opened anew, so that it can be
// moved away.
type logFile struct {
	mu   sync.Mutex
	path string
	file *os.File
	hup  chan os.Signal
}

// openLog opens what --log-file names.
func openLog(name string, stderr io.Writer) (io.WriteCloser, error) {
	switch name {
	case "none":
		signal.Ignore(syscall.SIGHUP)
		return nopCloser{io.Discard}, nil
	case "stderr":
		signal.Ignore(syscall.SIGHUP)
		return nopCloser{stderr}, nil
	}
	l := &logFile{path: name, hup: make(chan os.Signal, 1)}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("cannot open --log-file: %w", err)
	}
	signal.Notify(l.hup, syscall.SIGHUP)
	go func() {
		for range l.hup {
			l.open() // or the log goes on where it was
		}
	}()
	return l, nil
}

func (l *logFile) open() error {
	file, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
	}
	l.file = file
	return nil
}

// Write appends to the file.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(p)
}

// Close ends the log.
func (l *logFile) Close() error {
	signal.Stop(l.hup)
	close(l.hup)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

type nopCloser struct{ io.Writer }

// Close does nothing.
func (nopCloser) Close() error { return nil }

// inBackground is set for the process that --daemon starts; descriptor 3 is then a
// pipe on which it says that it serves.
const inBackground = "MILLRACE_IN_BACKGROUND"

// startInBackground starts the server as a process of its own, and returns when it
// serves, or has failed.
func startInBackground(args []string, stderr io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ready, told, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	c := exec.Command(self, append([]string{"gearmand"}, args...)...)
	c.Env = append(os.Environ(), inBackground+"=1")
	c.ExtraFiles = []*os.File{told}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if file, ok := stderr.(*os.File); ok {
		c.Stderr = file // for why it does not start, and for --log-file stderr
	}
	if err := c.Start(); err != nil {
		told.Close()
		return err
	}
	told.Close()
	if n, _ := ready.Read(make([]byte, 1)); n == 0 {
		c.Wait()
		return errors.New("the server in the background did not start")
	}
	return c.Process.Release()
}

// tellParent says that the server serves to whoever started it in the background.
func tellParent() {
	if os.Getenv(inBackground) != "" {
		pipe := os.NewFile(3, "ready")
		pipe.Write([]byte{1})
		pipe.Close()
	}
}
