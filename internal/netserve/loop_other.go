//go:build !linux

package netserve

import "errors"

// startLoops leaves every listener to goroutines.
func (s *Server) startLoops() ([]*listener, error) {
	if s.o.Driver == "epoll" {
		return nil, errors.New("the epoll driver exists on Linux only: use goroutines")
	}
	return s.listeners, nil
}
