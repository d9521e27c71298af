//go:build !linux

package bench

import "errors"

func usageOf(int) (usage, error) {
	return usage{}, errors.New("CPU time and memory of a server can be read on Linux only; leave out its process id")
}
