//go:build !linux

package beanstalk

import "runtime"

// uname names the machine as Go does where the syscall package has no uname(2).
func uname() (version, machine string) { return runtime.GOOS, runtime.GOARCH }
