package config

import (
	"testing"
	"time"
)

func TestDefaultData(t *testing.T) {
	tests := []struct{ home, state, want string }{
		{"/home/user", "", "/home/user/.local/state/millrace"},
		{"/home/user", "/var/state", "/var/state/millrace"},
		{"/home/user", "relative", "/home/user/.local/state/millrace"},
		{"/root", "", "/root/.local/state/millrace"},
	}
	for _, test := range tests {
		getenv := func(name string) string {
			return map[string]string{"HOME": test.home, "XDG_STATE_HOME": test.state}[name]
		}
		if got := Defaults(getenv).Data; got != test.want {
			t.Errorf("home %q, state %q: data %q, want %q", test.home, test.state, got, test.want)
		}
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) {}, ""},
		{func(o *Options) { o.Data = "" }, "there is no home folder to keep jobs in: name one with --data DIR, or --data none for memory only"},
		{func(o *Options) { o.MaxJobSize = 2 << 30 }, "--max-job-size can be 1GiB at most"},
		{func(o *Options) { o.TLSKey = "key" }, "--tls-cert and --tls-key belong together: give both"},
		{func(o *Options) { o.TLSClientCA = "ca" }, "--tls-client-ca needs --tls-cert and --tls-key"},
		{func(o *Options) { o.Beanstalk, o.Gearman.Address, o.Memcache.Address = Off, Off, Off }, "every door is off: give one an address, such as --beanstalk 127.0.0.1:11300"},
	}
	for _, test := range tests {
		o := Defaults(env(nil))
		test.change(&o)
		got := ""
		if err := o.Check(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestValues(t *testing.T) {
	var size int64
	for text, want := range map[string]int64{"0": 0, "65535": 65535, "64KiB": 64 << 10, "1GiB": 1 << 30} {
		if err := Size(&size).Set(text); err != nil || size != want {
			t.Errorf("size %q: %d, %v", text, size, err)
		}
		if shown := Size(&size).String(); shown != text {
			t.Errorf("size %d is shown as %q", size, shown)
		}
	}
	for _, text := range []string{"", "-1", "1.5", "64kb", "KiB", "9223372036854775807KiB"} {
		if err := Size(&size).Set(text); err == nil {
			t.Errorf("size %q is taken as %d", text, size)
		}
	}
	var d time.Duration
	for _, text := range []string{"", "5", "-5s", "soon"} {
		if err := Duration(&d).Set(text); err == nil {
			t.Errorf("duration %q is taken as %s", text, d)
		}
	}
}
