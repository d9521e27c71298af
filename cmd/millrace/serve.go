package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/server"
)

func serveCommand(args []string, stdout, stderr io.Writer) int {
	o := config.Defaults(os.Getenv)
	s := config.NewSet("millrace serve", "", "Start the server. Without options it listens on this machine only, keeps every job it\nhas acknowledged on disk, and speaks the protocols of beanstalkd, Gearman and memcached.")
	o.Declare(s)
	s.Examples = []string{
		"millrace serve",
		"millrace serve --data none  # in memory",
		"millrace serve --beanstalk unix:/run/millrace.sock",
		"millrace serve --beanstalk 0.0.0.0:11300 --tls-cert cert.pem --tls-key key.pem",
	}
	rest, exit, ok := parse(s, args, stdout, stderr)
	if !ok {
		return exit
	}
	if len(rest) > 0 {
		return usageError(stderr, fmt.Errorf("serve takes options only; take %q away", rest[0]))
	}
	o.Given = s.Given
	if err := o.Check(); err != nil {
		return usageError(stderr, err)
	}
	err := server.Run(o, newLogger(o, stderr), func(s *server.Server) { printBanner(stdout, o, s) })
	if start := (*server.StartError)(nil); errors.As(err, &start) && start.Stage == server.StageListen {
		err = fmt.Errorf("%w (`millrace serve --help`: --beanstalk, --gearman, --memcache, --tls-cert, --insecure-public)", err)
	}
	if err != nil {
		return failure(stderr, err)
	}
	return exitOK
}

// newLogger is the server's own log, as the options want it.
func newLogger(o config.Options, w io.Writer) *slog.Logger {
	var level slog.Level
	level.UnmarshalText([]byte(o.LogLevel)) // one of the words that the option allows
	options := &slog.HandlerOptions{Level: level}
	if o.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// printBanner says where the server listens, where the data is, and how to try it.
func printBanner(w io.Writer, o config.Options, s *server.Server) {
	data := o.Data + " (flushed to disk before every answer)"
	switch {
	case o.Data == config.NoData:
		data = "in memory only: gone when the server ends"
	case o.Sync.Never:
		data = o.Data + " (flushed to disk when the system likes: a power cut may lose jobs)"
	case o.Sync.Every > 0:
		data = fmt.Sprintf("%s (flushed to disk every %s: a power cut may lose so much)", o.Data, o.Sync.Every)
	}
	fmt.Fprintf(w, "Millrace %s is ready.\n", server.Version)
	for _, door := range []struct {
		name  string
		bound net.Addr
	}{{"beanstalk", s.Beanstalk}, {"gearman", s.Gearman}, {"  by HTTP", s.GearmanHTTP}, {"memcache", s.Memcache}, {"  with keys", s.MemcacheKV}} {
		if door.bound != nil {
			fmt.Fprintf(w, "  %-9s  %s\n", door.name, shownAddress(door.bound))
		}
	}
	fmt.Fprintf(w, "  data       %s\n", data)
	if o.TLSCert == "" && s.Beanstalk != nil {
		fmt.Fprintf(w, "  try        printf 'put 0 0 60 5\\r\\nhello\\r\\npeek-ready\\r\\nquit\\r\\n' | nc %s\n", netcatTarget(s.Beanstalk))
	}
	fmt.Fprintln(w, "  stop       Ctrl-C")
}

func shownAddress(a net.Addr) string {
	if a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return a.String()
}

// netcatTarget is an address in the words of nc. An address that means every
// interface is reached by the loopback one.
func netcatTarget(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return "-U " + a.String()
	}
	host := t.IP.String()
	if t.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return fmt.Sprintf("%s %d", host, t.Port)
}
