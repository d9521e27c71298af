package config

import (
	"errors"
	"time"
)

// Sync says when what was written is flushed to the disk. The zero value is
// always: before each answer.
type Sync struct {
	Never bool
	Every time.Duration // 0: always
}

// Set reads "always", "never" or a length of time.
func (s *Sync) Set(text string) error {
	switch text {
	case "always":
		*s = Sync{}
		return nil
	case "never":
		*s = Sync{Never: true}
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return errors.New("must be always, never, or a length of time such as 50ms")
	}
	*s = Sync{Every: d}
	return nil
}

// String is the text that Set reads.
func (s *Sync) String() string {
	switch {
	case s.Never:
		return "never"
	case s.Every > 0:
		return s.Every.String()
	}
	return "always"
}
