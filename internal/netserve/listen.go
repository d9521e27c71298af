package netserve

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// ListenOptions are those of one listener.
type ListenOptions struct {
	// TLS makes every connection of the listener a TLS connection. For mutual TLS, set
	// its ClientAuth and ClientCAs.
	TLS *tls.Config
	// AllowPublic permits an address other than loopback without TLS.
	AllowPublic bool
}

// listener is one place where connections come from.
type listener struct {
	net.Listener
	door  Door
	o     ListenOptions
	local string
}

// Listen opens addr for connections of door: "host:port" or "unix:/path". It
// returns the address it is bound to, which tells the port if addr asked for port
// 0. Connections are accepted from Start on.
func (s *Server) Listen(addr string, door Door, o ListenOptions) (net.Addr, error) {
	ln, err := bind(addr, o)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for %s: %w", door.Name(), err)
	}
	return ln.Addr(), s.ListenOn(ln, door, o)
}

// ListenOn takes connections of door from ln, for example one of Inherited. The
// server closes ln.
func (s *Server) ListenOn(ln net.Listener, door Door, o ListenOptions) error {
	if err := mayBind(ln.Addr(), o); err != nil {
		ln.Close()
		return fmt.Errorf("cannot listen for %s: %w", door.Name(), err)
	}
	l := &listener{Listener: ln, door: door, o: o, local: ln.Addr().String()}
	if ln.Addr().Network() == "unix" {
		l.local = "unix"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started || s.closed {
		ln.Close()
		return errors.New("netserve: listeners are added before Start")
	}
	if o.TLS != nil && o.TLS.MinVersion < tls.VersionTLS12 {
		l.o.TLS = o.TLS.Clone()
		l.o.TLS.MinVersion = tls.VersionTLS12
	}
	s.listeners = append(s.listeners, l)
	return nil
}

// bind opens the socket of addr.
func bind(addr string, o ListenOptions) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return bindUnix(path)
	}
	// Resolved first, so that a public address is refused before it is open.
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%q is neither host:port nor unix:/path: %w", addr, err)
	}
	if err := mayBind(a, o); err != nil {
		return nil, err
	}
	network := "tcp"
	if a.IP.To4() != nil {
		network = "tcp4" // else 0.0.0.0 would be all of IPv6, too
	}
	return net.ListenTCP(network, a)
}

// mayBind refuses addresses that the world can reach without protection.
func mayBind(a net.Addr, o ListenOptions) error {
	t, ok := a.(*net.TCPAddr)
	if !ok || t.IP.IsLoopback() || o.TLS != nil || o.AllowPublic {
		return nil
	}
	return fmt.Errorf("%s can be reached from other machines, and without TLS anyone there could read and delete jobs: "+
		"use a loopback address such as 127.0.0.1, set up TLS, or allow it explicitly", a)
}

// bindUnix opens a unix socket. A file left by a server that is gone is replaced.
func bindUnix(path string) (net.Listener, error) {
	ln, err := net.Listen("unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return ln, err
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("%s exists and is not a socket: move it away, or use another path", path)
	}
	probe, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		probe.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%s belongs to a server that is running: stop it, or use another path", path)
	}
	if err := os.Remove(path); err != nil {
		return nil, fmt.Errorf("cannot replace the socket of a server that is gone: %w", err)
	}
	return net.Listen("unix", path)
}

// accept hands a listener's connections to the crew.
func (s *Server) accept(l *listener) {
	var trouble complaint
	for {
		nc, err := s.acceptOne(l)
		if err != nil {
			if s.rest(acceptPause) {
				return
			}
			trouble.once(s.o.Logger, "cannot accept connections; trying again until it works", "address", l.local, "error", err)
			continue
		}
		trouble.over()
		from := peerOf(nc.RemoteAddr())
		if !s.gate.enter(from, s.o.Logger) {
			nc.Close()
			continue
		}
		s.crew.streams.Go(func() { s.crew.serve(nc, from, l) })
	}
}

// acceptOne waits for a connection.
func (s *Server) acceptOne(l *listener) (net.Conn, error) {
	if s.crowded() {
		return nil, syscall.EMFILE
	}
	return l.Accept()
}

// acceptPause is how long accepting rests after it failed, as it does when the
// process has no descriptors left.
const acceptPause = 100 * time.Millisecond

// rest waits, and says whether the server stopped accepting meanwhile.
func (s *Server) rest(d time.Duration) (stopped bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return false
	case <-s.stopping:
		return true
	}
}
