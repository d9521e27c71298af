package netserve

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
)

// peer is where a connection comes from; the zero value is a unix socket.
type peer netip.AddrPort

func peerOf(a net.Addr) peer {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return peer(netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()))
	}
	return peer{}
}

func (p peer) String() string {
	if ap := netip.AddrPort(p); ap.IsValid() {
		return ap.String()
	}
	return "unix"
}

// LogValue makes a peer readable in any log format.
func (p peer) LogValue() slog.Value { return slog.StringValue(p.String()) }

// gate counts connections and turns away those above the limits.
type gate struct {
	max, perAddress int // 0: no limit

	mu     sync.Mutex
	n      int
	byAddr map[netip.Addr]int
	full   complaint
}

// enter counts one more connection, unless a limit is reached.
func (g *gate) enter(p peer, log *slog.Logger) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	addr := netip.AddrPort(p).Addr()
	if g.max > 0 && g.n >= g.max {
		g.full.once(log, "refusing connections: the limit of connections is reached", "limit", g.max)
		return false
	}
	if g.perAddress > 0 && addr.IsValid() {
		if g.byAddr[addr] >= g.perAddress {
			g.full.once(log, "refusing connections: the limit of connections per address is reached", "address", addr, "limit", g.perAddress)
			return false
		}
		if g.byAddr == nil {
			g.byAddr = map[netip.Addr]int{}
		}
		g.byAddr[addr]++
	}
	g.n++
	return true
}

// leave takes back an enter.
func (g *gate) leave(p peer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	g.full.over()
	if addr := netip.AddrPort(p).Addr(); g.perAddress > 0 && addr.IsValid() {
		if g.byAddr[addr]--; g.byAddr[addr] == 0 {
			delete(g.byAddr, addr)
		}
	}
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

// complaint is a warning that is given once for as long as its cause lasts.
type complaint struct{ made bool }

func (c *complaint) once(log *slog.Logger, msg string, args ...any) {
	if !c.made {
		c.made = true
		log.Warn(msg, args...)
	}
}

func (c *complaint) over() { c.made = false }
