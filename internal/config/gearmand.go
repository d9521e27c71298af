package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// Gearmand is what `millrace gearmand` is told: what gearmand can be told, as far as
// it means something here.
type Gearmand struct {
	Options
	PIDFile   string // to write the process id to, or ""
	LogFile   string // where the server's log goes: a path, "stderr" or "none"
	Daemon    bool   // run in the background
	CheckOnly bool   // only look at the arguments
}

// defaultGearmandConf is read when it is there and no other is named.
const defaultGearmandConf = "/etc/gearmand.conf"

// gearmand reads the arguments of gearmand.
type gearmand struct {
	g          *Gearmand
	host, port string
	httpPort   string
	http       bool
	conf       string
	ssl        bool
	ca         string
	cert, key  string
	rest       []string // arguments not looked at yet
}

// ReadGearmand reads arguments as gearmand does and returns what they ask for. The
// error is ErrHelp, ErrVersion, nil or one sentence for the user.
func ReadGearmand(args []string, getenv func(string) string) (Gearmand, error) {
	// The first time tells which config file there is; what the file says counts less.
	first := newGearmand(getenv)
	if err := first.arguments(args); err != nil {
		return *first.g, err
	}
	p := newGearmand(getenv)
	if err := p.readConf(first.conf); err != nil {
		return *p.g, err
	}
	if err := p.arguments(args); err != nil {
		return *p.g, err
	}
	return *p.g, p.finish()
}

func newGearmand(getenv func(string) string) *gearmand {
	g := &Gearmand{Options: Defaults(func(string) string { return "" }), LogFile: "stderr"}
	g.Beanstalk, g.Memcache.Address, g.FinishOnUSR1 = Off, Off, true
	g.Data = NoData
	g.InsecurePublic = true // what stands in for gearmand listens where it did
	g.LogLevel = "error"
	g.Gearman.MaxPacket = MaxPacketLimit
	p := &gearmand{g: g, port: "4730", httpPort: "8080"}
	p.ca, p.cert, p.key = getenv("GEARMAND_CA_CERTIFICATE"), getenv("GEARMAND_SERVER_PEM"), getenv("GEARMAND_SERVER_KEY")
	if port := getenv("GEARMAND_PORT"); port != "" {
		p.port = port
	}
	return p
}

func (p *gearmand) arguments(args []string) error {
	p.rest = args
	for len(p.rest) > 0 {
		arg := p.rest[0]
		p.rest = p.rest[1:]
		if err := p.argument(arg); err != nil {
			return err
		}
	}
	return nil
}

// argument reads one argument: --name, --name=value, -n, -nvalue, or -ab.
func (p *gearmand) argument(arg string) error {
	if name, ok := strings.CutPrefix(arg, "--"); ok && name != "" {
		name, value, given := strings.Cut(name, "=")
		o, err := longOption(name)
		if err != nil {
			return err
		}
		return p.option(o, value, given)
	}
	if len(arg) < 2 || arg[0] != '-' {
		return fmt.Errorf("unrecognised option '%s'", arg)
	}
	for i := 1; i < len(arg); i++ {
		o := shortOption(arg[i])
		if o == nil {
			return fmt.Errorf("unrecognised option '-%s'", arg[i:])
		}
		if o.set != nil || o.refuse != "" {
			value := strings.TrimPrefix(arg[i+1:], "=")
			return p.option(o, value, i+1 < len(arg))
		}
		if err := o.flag(p); err != nil {
			return err
		}
	}
	return nil
}

// option does what an option says; its value may be the next argument.
func (p *gearmand) option(o *gearmandOption, value string, given bool) error {
	if o.flag != nil {
		if given {
			return fmt.Errorf("option '--%s' does not take any arguments", o.name)
		}
		return o.flag(p)
	}
	if !given {
		if len(p.rest) == 0 {
			return fmt.Errorf("the required argument for option '--%s' is missing", o.name)
		}
		value, p.rest = p.rest[0], p.rest[1:]
	}
	if o.refuse != "" {
		return fmt.Errorf("--%s: %s", o.name, o.refuse)
	}
	if err := o.set(p, value); err != nil {
		return fmt.Errorf("the argument ('%s') for option '--%s' is invalid: %w", value, o.name, err)
	}
	return nil
}

// longOption finds an option by its name or the beginning of it.
func longOption(name string) (found *gearmandOption, err error) {
	for i := range gearmandOptions {
		o := &gearmandOptions[i]
		if o.name == name {
			return o, nil
		}
		if strings.HasPrefix(o.name, name) {
			if found != nil {
				err = fmt.Errorf("option '--%s' is ambiguous: --%s or --%s", name, found.name, o.name)
			}
			found = o
		}
	}
	if found == nil {
		err = fmt.Errorf("unrecognised option '--%s'", name)
	}
	return found, err
}

func shortOption(letter byte) *gearmandOption {
	for i := range gearmandOptions {
		if gearmandOptions[i].letter == letter {
			return &gearmandOptions[i]
		}
	}
	return nil
}

// readConf reads options from a file, one "name=value" a line.
func (p *gearmand) readConf(path string) error {
	named := path != ""
	if !named {
		path = defaultGearmandConf
	}
	text, err := os.ReadFile(path)
	if err != nil {
		if !named && errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("cannot read the config file: %w", err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, given := strings.Cut(line, "=")
		o, err := longOption(strings.TrimLeft(strings.TrimSpace(name), "-"))
		if err == nil && !given && o.flag == nil {
			err = fmt.Errorf("the required argument for option '--%s' is missing", o.name)
		}
		if err == nil && o.flag != nil {
			given = false
		}
		if err == nil {
			err = p.option(o, strings.TrimSpace(value), given)
		}
		if err != nil {
			return fmt.Errorf("%s, line %d: %w", path, i+1, err)
		}
	}
	return nil
}

// finish puts together what several options say.
func (p *gearmand) finish() error {
	p.g.Gearman.Address = net.JoinHostPort(p.host, p.port)
	if p.http {
		p.g.Gearman.HTTP = net.JoinHostPort(p.host, p.httpPort)
	}
	if !p.ssl {
		return nil
	}
	p.g.TLSCert, p.g.TLSKey, p.g.TLSClientCA = p.cert, p.key, p.ca
	if p.cert == "" || p.key == "" {
		return errors.New("--ssl needs a certificate and its key: give --ssl-certificate FILE and --ssl-key FILE")
	}
	return nil
}

// whole reads a whole number, for options that are accepted and not used.
func whole(_ *gearmand, value string) error {
	if _, err := strconv.Atoi(value); err != nil {
		return errors.New("not a whole number")
	}
	return nil
}
