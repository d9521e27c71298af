package netserve_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/netserve"
)

func TestUnfinishedRequestIsClosed(t *testing.T) {
	onEach(t, netserve.Options{RequestTimeout: 300 * time.Millisecond}, func(t *testing.T, f *fixture) {
		idle, blocked := f.dial(), f.dial()
		idle.send("one\n")
		idle.expect("one\n")
		blocked.send("wait\nbehind")
		for range 10 {
			f.dial().send("unfinis")
		}
		until(t, "all are served", func() bool { return f.engine.opened() == 12 && f.engine.waiting() == 1 })
		until(t, "the unfinished are closed", func() bool { return f.Connections() == 2 })
		idle.send("two\n")
		idle.expect("two\n")
		f.engine.grant(false)
		blocked.expect("granted\n")
		blocked.expectEOF() // now what is behind the reserve is unfinished
	})
}

func TestProgressKeepsRequestAlive(t *testing.T) {
	const limit = 300 * time.Millisecond
	onEach(t, netserve.Options{RequestTimeout: limit}, func(t *testing.T, f *fixture) {
		c := f.dial()
		for range 5 {
			c.send("x")
			<-time.After(limit / 3)
		}
		c.send("\n")
		c.expect("xxxxx\n")
	})
}

func TestClientThatNeverReadsIsClosed(t *testing.T) {
	onEach(t, netserve.Options{WriteTimeout: 100 * time.Millisecond}, func(t *testing.T, f *fixture) {
		c := f.dial()
		c.send("big 20000000\n")
		until(t, "the connection is closed", func() bool { return f.engine.open() == 0 && f.engine.turns() > 0 })
		f.dial().send("big 1\n") // others go on
	})
}

func TestLost(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		f.engine.mu.Lock()
		f.engine.byHand = true
		f.engine.mu.Unlock()
		c, w := f.dial(), f.dial()
		w.send("wait\n")
		until(t, "a reserve waits", func() bool { return f.engine.waiting() == 1 })
		c.send("published\n")
		until(t, "the answer is published", func() bool { f.engine.publish(); return peeked(c) })
		runs := f.engine.turns()
		c.send("never published\nbig 10\n")
		until(t, "another turn ran", func() bool { return f.engine.turns() > runs })
		f.engine.lose()
		c.expect("published\n")
		c.expectEOF()
		w.expectEOF()
	})
}

func TestCongestionStopsInput(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		set := func(congested bool) {
			f.engine.mu.Lock()
			f.engine.congested = congested
			f.engine.mu.Unlock()
		}
		c, w := f.dial(), f.dial()
		w.send("wait\n")
		until(t, "a reserve waits", func() bool { return f.engine.waiting() == 1 })
		set(true)
		c.send("one\ntwo\nthr")
		f.engine.grant(false) // output goes on
		w.expect("granted\n")
		if peeked(c) {
			t.Fatal("input was read although the engine is congested")
		}
		set(false)
		f.engine.each(func(*fakePort) {})
		c.send("ee\n")
		c.expect("one\ntwo\nthree\n")
	})
}

func TestConnectionLimit(t *testing.T) {
	onEach(t, netserve.Options{MaxConns: 2}, func(t *testing.T, f *fixture) {
		a, b := f.dial(), f.dial()
		for _, c := range []*client{a, b} {
			c.send("x\n")
			c.expect("x\n")
		}
		if f.tryDial() {
			t.Fatal("a third connection was served")
		}
		a.Close()
		until(t, "there is room again", f.tryDial)
	})
}

// tryDial says whether a new connection is served.
func (f *fixture) tryDial() bool {
	if f.how.tls {
		f.how.tls = false
		defer func() { f.how.tls = true }()
		c := f.dial()
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, err := c.r.ReadByte() // a server that waits for our hello says nothing
		return err != io.EOF && strings.Contains(err.Error(), "timeout")
	}
	c := f.dial()
	defer c.Close()
	io.WriteString(c.Conn, "x\n")
	_, err := c.r.ReadByte()
	return err == nil
}

func TestConnectionLimitPerAddress(t *testing.T) {
	for _, how := range transports() {
		if how.network != "tcp" || how.tls {
			continue
		}
		t.Run(how.name, func(t *testing.T) {
			f := start(t, how, netserve.Options{MaxConnsPerAddress: 1})
			c := f.dial()
			c.send("x\n")
			c.expect("x\n")
			if f.tryDial() {
				t.Fatal("a second connection of the same address was served")
			}
			from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
			nc, err := from.Dial("tcp", f.addr.String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			io.WriteString(nc, "y\n")
			if _, err := io.ReadFull(nc, make([]byte, 2)); err != nil {
				t.Fatalf("another address is not served: %v", err)
			}
		})
	}
}

func TestDrain(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		idle, blocked, reading := f.dial(), f.dial(), f.dial()
		idle.send("x\n")
		idle.expect("x\n")
		blocked.send("wait\n")
		reading.send("big 8000000\n")
		until(t, "a reserve waits", func() bool { return f.engine.waiting() == 1 })
		reading.expect("i")
		done := make(chan error)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			done <- f.Drain(ctx)
		}()
		idle.expectEOF()
		blocked.expectEOF()
		reading.expect(strings.Repeat("i", 9) + strings.Repeat("c", 8000000) + "end\n")
		reading.expectEOF()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if nc, err := net.Dial(f.addr.Network(), f.addr.String()); err == nil {
			nc.Close()
			t.Fatal("a draining server accepts")
		}
	})
}

func TestDrainGivesUp(t *testing.T) {
	onEach(t, netserve.Options{}, func(t *testing.T, f *fixture) {
		c := f.dial()
		c.send("big 20000000\n")
		c.expect("i")
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := f.Drain(ctx); err != context.Canceled {
			t.Fatalf("got %v, want the context's error", err)
		}
	})
}

// logLines collects what is logged.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logLines) count(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// TestOutOfDescriptors runs itself in a process that has few of them.
func TestOutOfDescriptors(t *testing.T) {
	const env = "NETSERVE_TEST_TRANSPORT"
	if name := os.Getenv(env); name != "" {
		for _, how := range transports() {
			if how.name == name {
				outOfDescriptors(t, how)
			}
		}
		return
	}
	for _, how := range transports() {
		if how.tls {
			continue // accepts as goroutines/tcp does
		}
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestOutOfDescriptors$", "-test.v")
			cmd.Env = append(os.Environ(), env+"="+how.name)
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}

func outOfDescriptors(t *testing.T, how transport) {
	log := &logLines{}
	f := start(t, how, netserve.Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	old := f.dial()
	old.send("x\n")
	old.expect("x\n")
	// Leave room for exactly one descriptor: the client's.
	probe, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	limit := syscall.Rlimit{Cur: uint64(probe.Fd()) + 1, Max: 4096}
	probe.Close()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	late := f.dial()
	late.send("late\n")
	until(t, "the trouble is logged", func() bool { return log.count("cannot accept") == 1 })
	runs := f.engine.turns()
	<-time.After(3 * 100 * time.Millisecond) // a few more tries
	if n := log.count("cannot accept"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if n := f.engine.turns() - runs; n > 20 {
		t.Errorf("the driver spins: %d turns", n)
	}
	old.send("still here\n")
	old.expect("still here\n")
	limit.Cur = 256
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	late.expect("late\n")
}

func TestListenAddresses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	live, err := net.Listen("unix", filepath.Join(dir, "live"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	stale, err := net.Listen("unix", filepath.Join(dir, "stale"))
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()

	for _, test := range []struct {
		addr string
		o    netserve.ListenOptions
		want string // in the error
	}{
		{addr: "127.0.0.1:0"},
		{addr: "[::1]:0"},
		{addr: "localhost:0"},
		{addr: "0.0.0.0:0", want: "set up TLS"},
		{addr: ":0", want: "set up TLS"},
		{addr: "0.0.0.0:0", o: netserve.ListenOptions{AllowPublic: true}},
		{addr: "127.0.0.1", want: "neither host:port nor unix:/path"},
		{addr: "unix:" + filepath.Join(dir, "new")},
		{addr: "unix:" + filepath.Join(dir, "stale")},
		{addr: "unix:" + filepath.Join(dir, "live"), want: "a server that is running"},
		{addr: "unix:" + file, want: "is not a socket"},
		{addr: "unix:" + filepath.Join(dir, "no", "where"), want: "no such file"},
	} {
		s := netserve.New(netserve.Options{NewPort: newFakeEngine().NewPort})
		addr, err := s.Listen(test.addr, lineDoor{}, test.o)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.addr, err)
		case test.want == "":
			if strings.HasSuffix(addr.String(), ":0") {
				t.Errorf("%s: the address reported is %s", test.addr, addr)
			}
			if host, _, _ := net.SplitHostPort(test.addr); host == "0.0.0.0" && !strings.HasPrefix(addr.String(), host) {
				t.Errorf("%s: listens on %s, which takes in IPv6", test.addr, addr)
			}
		case err == nil || !strings.Contains(err.Error(), test.want):
			t.Errorf("%s: got error %v, want one with %q", test.addr, err, test.want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if path, ok := strings.CutPrefix(test.addr, "unix:"); ok && test.want == "" {
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("%s: the socket's file is still there", test.addr)
			}
		}
	}
}

// TestInherited runs itself with a socket as descriptor 3.
func TestInherited(t *testing.T) {
	if os.Getenv("LISTEN_FDS") != "" {
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		lns, err := netserve.Inherited()
		if err != nil || len(lns) != 1 {
			t.Fatalf("got %v, %v; want one listener", lns, err)
		}
		if os.Getenv("LISTEN_FDS") != "" {
			t.Error("the variables are still there")
		}
		e := newFakeEngine()
		s := netserve.New(netserve.Options{NewPort: e.NewPort})
		if err := s.ListenOn(lns[0], lineDoor{}, netserve.ListenOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, "the test has been served", func() bool { return e.turns() > 0 && e.open() == 0 })
		s.Close()
		return
	}
	if lns, err := netserve.Inherited(); err != nil || len(lns) != 0 {
		t.Fatalf("without variables: got %v, %v", lns, err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestInherited$")
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1")
	cmd.ExtraFiles = []*os.File{f}
	done := make(chan error, 1)
	go func() {
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		done <- err
	}()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(nc, "hello\n")
	if _, err := io.ReadFull(nc, make([]byte, 6)); err != nil {
		t.Error(err)
	}
	nc.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
