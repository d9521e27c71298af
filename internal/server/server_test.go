package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/queue"
)

// options are those of a server in a directory of its own.
func options(t *testing.T) config.Options {
	t.Helper()
	o := config.Defaults(os.Getenv)
	o.Gearman.Address, o.Memcache.Address = config.Off, config.Off
	o.Beanstalk = "unix:" + filepath.Join(t.TempDir(), "socket")
	o.Data = filepath.Join(t.TempDir(), "data")
	return o
}

func start(t *testing.T, o config.Options, log io.Writer) *Server {
	t.Helper()
	s, err := Start(o, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask sends requests and returns all that is answered until the connection ends.
func ask(t *testing.T, s *Server, requests string) string {
	t.Helper()
	conn, err := net.Dial(s.Beanstalk.Network(), s.Beanstalk.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, requests+"quit\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// appendJob appends a record of version 7 to a binlog.
func appendJob(b []byte, id uint64, tube string, body []byte) []byte {
	fixed := make([]byte, 80)
	binary.LittleEndian.PutUint64(fixed, id)
	binary.LittleEndian.PutUint64(fixed[24:], 60e9) // ttr
	binary.LittleEndian.PutUint32(fixed[32:], uint32(len(body)+2))
	binary.LittleEndian.PutUint64(fixed[40:], 1e18) // created
	fixed[76] = 1                                   // ready
	b = binary.LittleEndian.AppendUint32(b, uint32(len(tube)))
	b = append(append(b, tube...), fixed...)
	return append(append(b, body...), "\r\n"...)
}

// Bodies longer than a request may carry, and more of them than fit in a turn.
func TestImportLargeBodies(t *testing.T) {
	o := options(t)
	o.ImportBinlog = t.TempDir()
	binlog := []byte{7, 0, 0, 0}
	sizes := []int{0, queue.MaxInlineBody, queue.MaxInlineBody + 1, 3 * feedBytes}
	for i, size := range sizes {
		binlog = appendJob(binlog, uint64(i+1), "t", bytes.Repeat([]byte{'a' + byte(i)}, size))
	}
	if err := os.WriteFile(filepath.Join(o.ImportBinlog, "binlog.1"), binlog, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := start(t, o, &log)
	for i, size := range sizes {
		want := fmt.Sprintf("FOUND %d %d\r\n%s\r\n", i+1, size, strings.Repeat(string(rune('a'+i)), size))
		if got := ask(t, s, fmt.Sprintf("peek %d\r\n", i+1)); got != want {
			t.Errorf("job %d of %d bytes: got %d bytes, %.40q", i+1, size, len(got), got)
		}
	}
	if !strings.Contains(log.String(), "jobs=4 ready=4") {
		t.Errorf("log:\n%s", &log)
	}
}

// A data directory that has jobs of its own takes none from elsewhere.
func TestImportNeedsNewData(t *testing.T) {
	o := options(t)
	s, err := Start(o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ask(t, s, "put 0 0 60 1\r\nx\r\n")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.ImportBinlog = t.TempDir()
	if err := os.WriteFile(filepath.Join(o.ImportBinlog, "binlog.1"), appendJob([]byte{7, 0, 0, 0}, 9, "t", nil), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s = start(t, o, &log)
	if got := ask(t, s, "peek 9\r\npeek 1\r\n"); got != "NOT_FOUND\r\nFOUND 1 1\r\nx\r\n" {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(log.String(), "the data directory has jobs of its own") {
		t.Errorf("log:\n%s", &log)
	}
}

func TestStartErrors(t *testing.T) {
	tests := []struct {
		change func(*config.Options)
		stage  Stage
		want   string
	}{
		{func(o *config.Options) { o.Beanstalk = config.Off }, StageOptions, "every door is off"},
		{func(o *config.Options) { o.Beanstalk = "127.0.0.1" }, StageListen, "neither host:port nor unix:/path"},
		{func(o *config.Options) { o.TLSCert, o.TLSKey = "/nonexistent", "/nonexistent" }, StageListen, "cannot use --tls-cert and --tls-key"},
		{func(o *config.Options) { o.User = "no-such-user" }, StageUser, "there is no such user"},
		{func(o *config.Options) { o.ImportBinlog = "/nonexistent" }, StageData, "cannot use the directory /nonexistent"},
		{func(o *config.Options) { o.Data = "/dev/null/data" }, StageStart, "make the data directory"},
	}
	for _, test := range tests {
		o := options(t)
		test.change(&o)
		s, err := Start(o, slog.New(slog.DiscardHandler))
		if err == nil {
			s.Close(t.Context())
			t.Errorf("started, want an error with %q", test.want)
			continue
		}
		var failed *StartError
		if !errors.As(err, &failed) || failed.Stage != test.stage || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v (%#v), want stage %d and %q", err, err, test.stage, test.want)
		}
	}
}

// A start that failed leaves nothing behind that keeps the next one from working.
func TestStartAgain(t *testing.T) {
	o := options(t)
	bad := o
	bad.Data = "/dev/null/data"
	if _, err := Start(bad, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("started without a data directory")
	}
	start(t, o, io.Discard)
}
