package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// GearmandUsage is the help of `millrace gearmand` and of a binary called gearmand.
const GearmandUsage = `Use: gearmand [OPTIONS]

Options:
 -L, --listen ADDR         listen on address ADDR (default: all)
 -p, --port PORT           listen on port PORT (default 4730)
 -j, --job-retries N       remove a job that N workers have failed (default 0: no limit)
 -R, --round-robin         functions of a worker take turns
     --exceptions          send exceptions to all clients
     --job-handle-prefix P begin job handles with P in place of H:<host name>
 -r, --protocol http       also listen for HTTP
     --http-port PORT      on port PORT (default 8080)
     --ssl                 speak TLS, with
     --ssl-certificate F   this certificate
     --ssl-key F           its key, and, if given,
     --ssl-ca-file F       only with clients whose certificate F has signed
 -P, --pid-file F          write the process id to F
 -l, --log-file F          write the log to F, to 'stderr' (default) or 'none'
     --verbose LEVEL       FATAL, ALERT, CRITICAL, ERROR (default), WARNING, NOTICE,
                           INFO or DEBUG
 -d, --daemon              run in the background
 -f, --file-descriptors N  bound the connections
 -u, --user USER           become user USER and its group
     --config-file F       read options from F, one name=value a line
                           (default /etc/gearmand.conf, if it is there)
     --check-args          only check the arguments
 -V, --version             print the version
 -h, --help                show this help

Options that gearmand does not have:
     --data DIR            keep background jobs in DIR (without it: in memory only)
     --compat 1.1|2.0      the gearmand to be like where they differ (default 1.1)
     --durable             with --data, keep foreground jobs, too
     --max-packet BYTES    largest packet (default and most: 1073741824)
     --allow-shutdown      let the administrative command shutdown end the server

Accepted and not used: -b --backlog, -t --threads, -w --worker-wakeup (as many workers
are woken as there are jobs), --hashtable-buckets, --keepalive, --keepalive-idle,
--keepalive-interval, --keepalive-count, --syslog, --coredump, -q builtin.
`

// gearmandOption is an option of gearmand: a flag, or one with a value.
type gearmandOption struct {
	name   string
	letter byte // 0: none
	flag   func(*gearmand) error
	set    func(*gearmand, string) error
	refuse string // why it cannot be had
}

// useData is what to do in place of a foreign store.
const useData = "jobs are kept here without a database: take this option away and name a folder with --data DIR"

var gearmandOptions []gearmandOption

func init() {
	ignored := func(*gearmand) error { return nil }
	text := func(to func(*gearmand) *string) func(*gearmand, string) error {
		return func(p *gearmand, value string) error { *to(p) = value; return nil }
	}
	on := func(to func(*gearmand) *bool) func(*gearmand) error {
		return func(p *gearmand) error { *to(p) = true; return nil }
	}
	gearmandOptions = []gearmandOption{
		{name: "backlog", letter: 'b', set: whole},
		{name: "daemon", letter: 'd', flag: on(func(p *gearmand) *bool { return &p.g.Daemon })},
		{name: "exceptions", flag: on(func(p *gearmand) *bool { return &p.g.Gearman.Exceptions })},
		{name: "file-descriptors", letter: 'f', set: setDescriptors},
		{name: "help", letter: 'h', flag: func(*gearmand) error { return ErrHelp }},
		{name: "job-retries", letter: 'j', set: setRetries},
		{name: "job-handle-prefix", set: text(func(p *gearmand) *string { return &p.g.Gearman.HandlePrefix })},
		{name: "hashtable-buckets", set: whole},
		{name: "keepalive", flag: ignored},
		{name: "keepalive-idle", set: whole},
		{name: "keepalive-interval", set: whole},
		{name: "keepalive-count", set: whole},
		{name: "log-file", letter: 'l', set: text(func(p *gearmand) *string { return &p.g.LogFile })},
		{name: "listen", letter: 'L', set: text(func(p *gearmand) *string { return &p.host })},
		{name: "port", letter: 'p', set: text(func(p *gearmand) *string { return &p.port })},
		{name: "pid-file", letter: 'P', set: text(func(p *gearmand) *string { return &p.g.PIDFile })},
		{name: "protocol", letter: 'r', set: setProtocol},
		{name: "round-robin", letter: 'R', flag: on(func(p *gearmand) *bool { return &p.g.Gearman.RoundRobin })},
		{name: "queue-type", letter: 'q', set: setQueueType},
		{name: "config-file", set: text(func(p *gearmand) *string { return &p.conf })},
		{name: "syslog", flag: ignored},
		{name: "coredump", flag: ignored},
		{name: "threads", letter: 't', set: whole},
		{name: "user", letter: 'u', set: text(func(p *gearmand) *string { return &p.g.User })},
		{name: "verbose", set: setVerbose},
		{name: "version", letter: 'V', flag: func(*gearmand) error { return ErrVersion }},
		{name: "worker-wakeup", letter: 'w', set: whole},
		{name: "check-args", flag: on(func(p *gearmand) *bool { return &p.g.CheckOnly })},
		{name: "http-port", set: text(func(p *gearmand) *string { return &p.httpPort })},
		{name: "ssl", flag: on(func(p *gearmand) *bool { return &p.ssl })},
		{name: "ssl-ca-file", set: text(func(p *gearmand) *string { return &p.ca })},
		{name: "ssl-certificate", set: text(func(p *gearmand) *string { return &p.cert })},
		{name: "ssl-key", set: text(func(p *gearmand) *string { return &p.key })},

		{name: "data", set: text(func(p *gearmand) *string { return &p.g.Data })},
		{name: "compat", set: func(p *gearmand, value string) error { return OneOf(&p.g.Gearman.Compat, "1.1", "2.0").Set(value) }},
		{name: "durable", flag: on(func(p *gearmand) *bool { return &p.g.Gearman.Durable })},
		{name: "max-packet", set: func(p *gearmand, value string) error { return Size(&p.g.Gearman.MaxPacket).Set(value) }},
		{name: "allow-shutdown", flag: on(func(p *gearmand) *bool { return &p.g.Gearman.Shutdown })},
	}
	for _, name := range []string{
		"libmemcached-servers", "libmemcached-prefix", "libsqlite3-db", "libsqlite3-table", "store-queue-on-shutdown",
		"libpq-conninfo", "libpq-table", "redis-server", "redis-port", "redis-password", "redis-prefix",
		"mysql-host", "mysql-port", "mysql-user", "mysql-password", "mysql-db", "mysql-table",
		"libtokyocabinet-file", "libtokyocabinet-optimize", "libdrizzle-host", "libdrizzle-port", "libdrizzle-uds",
		"libdrizzle-user", "libdrizzle-password", "libdrizzle-db", "libdrizzle-table", "libdrizzle-mysql",
	} {
		gearmandOptions = append(gearmandOptions, gearmandOption{name: name, refuse: useData})
	}
	for i := range gearmandOptions {
		if o := &gearmandOptions[i]; o.name == "store-queue-on-shutdown" || o.name == "libdrizzle-mysql" {
			o.flag = func(*gearmand) error { return fmt.Errorf("--%s: %s", o.name, useData) }
		}
	}
}

func setDescriptors(p *gearmand, value string) error { return Count(&p.g.MaxConns).Set(value) }

// setRetries reads the number of tries; with gearmand 1.1 none is any number.
func setRetries(p *gearmand, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < NoRetryLimit || n > 1<<30 {
		return errors.New("not a whole number from -1 to 1073741824")
	}
	p.g.Gearman.Retries = n
	return nil
}

func setProtocol(p *gearmand, value string) error {
	if !strings.EqualFold(value, "http") {
		return errors.New("there is no protocol but http")
	}
	p.http = true
	return nil
}

func setQueueType(_ *gearmand, value string) error {
	if value != "builtin" {
		return errors.New(useData)
	}
	return nil
}

// verboseLevels are gearmand's, and what they are here.
var verboseLevels = []struct{ name, level string }{
	{"FATAL", "error"}, {"ALERT", "error"}, {"CRITICAL", "error"}, {"ERROR", "error"},
	{"WARNING", "warn"}, {"NOTICE", "info"}, {"INFO", "info"}, {"DEBUG", "debug"},
}

func setVerbose(p *gearmand, value string) error {
	i := slices.IndexFunc(verboseLevels, func(l struct{ name, level string }) bool { return l.name == value })
	if i < 0 {
		return errors.New("there is no such level; `gearmand --help` lists them")
	}
	p.g.Gearman.Verbose, p.g.LogLevel = value, verboseLevels[i].level
	return nil
}
