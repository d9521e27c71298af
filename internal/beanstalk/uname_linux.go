package beanstalk

import "syscall"

// uname returns what `uname -v` and `uname -m` print; beanstalkd shows these as os
// and platform.
func uname() (version, machine string) {
	var u syscall.Utsname
	if err := syscall.Uname(&u); err != nil {
		return "unknown", "unknown"
	}
	return text(u.Version[:]), text(u.Machine[:])
}

// text reads a C string. Its element is of another type on some architectures.
func text[T int8 | uint8](c []T) string {
	var b []byte
	for _, x := range c {
		if x == 0 {
			break
		}
		b = append(b, byte(x))
	}
	return string(b)
}
