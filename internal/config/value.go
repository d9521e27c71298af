package config

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// value joins a way to read a text with a way to show it: a flag.Value.
type value struct {
	set  func(string) error
	show func() string
	bool bool
}

func (v value) Set(s string) error { return v.set(s) }

// String must bear a zero receiver: the flag package makes one to find out
// whether a default is the zero value.
func (v value) String() string {
	if v.show == nil {
		return ""
	}
	return v.show()
}

// IsBoolFlag tells the flag package that the option stands without a value.
func (v value) IsBoolFlag() bool { return v.bool }

// Text is an option that is any text.
func Text(p *string) flag.Value {
	return value{set: func(s string) error { *p = s; return nil }, show: func() string { return *p }}
}

// OneOf is an option that is one of the given words.
func OneOf(p *string, words ...string) flag.Value {
	set := func(s string) error {
		for _, w := range words {
			if s == w {
				*p = s
				return nil
			}
		}
		return fmt.Errorf("must be one of %s", strings.Join(words, ", "))
	}
	return value{set: set, show: func() string { return *p }}
}

// Switch is an option that is on or off.
func Switch(p *bool) flag.Value {
	set := func(s string) (err error) {
		if *p, err = strconv.ParseBool(s); err != nil {
			return errors.New("must be true or false")
		}
		return nil
	}
	return value{set: set, show: func() string { return strconv.FormatBool(*p) }, bool: true}
}

// Count is an option that is a whole number, 0 or more.
func Count(p *int) flag.Value {
	set := func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return errors.New("must be a whole number, 0 or more")
		}
		*p = n
		return nil
	}
	return value{set: set, show: func() string { return strconv.Itoa(*p) }}
}

// Uint32 is an option that is a whole number below 2^32.
func Uint32(p *uint32) flag.Value {
	set := func(s string) error {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return errors.New("must be a whole number from 0 to 4294967295")
		}
		*p = uint32(n)
		return nil
	}
	return value{set: set, show: func() string { return strconv.FormatUint(uint64(*p), 10) }}
}

// Duration is an option that is a length of time, 0 or more: 50ms, 30s, 2h.
func Duration(p *time.Duration) flag.Value {
	set := func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return errors.New("must be a length of time such as 50ms, 30s or 2h")
		}
		*p = d
		return nil
	}
	return value{set: set, show: func() string { return showDuration(*p) }}
}

// showDuration leaves out what is zero at the end: 1m, not 1m0s.
func showDuration(d time.Duration) string {
	text := d.String()
	if rest, ok := strings.CutSuffix(text, "m0s"); ok {
		text = rest + "m"
	}
	if rest, ok := strings.CutSuffix(text, "h0m"); ok {
		text = rest + "h"
	}
	return text
}

// Offset is an option that is a length of time, possibly negative.
func Offset(p *time.Duration) flag.Value {
	set := func(s string) (err error) { *p, err = time.ParseDuration(s); return err }
	return value{set: set, show: func() string { return p.String() }}
}

var units = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// Size is an option that is a number of bytes, 0 or more: 65535, 64KiB, 1GiB.
func Size(p *int64) flag.Value {
	set := func(s string) error {
		digits, unit := s, int64(1)
		for _, u := range units {
			if d, ok := strings.CutSuffix(s, u.suffix); ok {
				digits, unit = d, u.bytes
			}
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit {
			return errors.New("must be a number of bytes such as 65535, 64KiB or 1GiB")
		}
		*p = n * unit
		return nil
	}
	return value{set: set, show: func() string { return showSize(*p) }}
}

func showSize(n int64) string {
	for _, u := range units {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}
