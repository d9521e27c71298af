package replica

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// Dial connects to another node. The connection may be encrypted.
type Dial func(ctx context.Context, address string) (net.Conn, error)

// ioTimeout is how long a message to another node may take; a snapshot gets as much
// for every 256 KiB.
const ioTimeout = 10 * time.Second

// NewTransport returns a transport over connections that l accepts and dial makes.
// It closes l.
func NewTransport(l net.Listener, dial Dial, to *slog.Logger) raft.Transport {
	if to == nil {
		to = slog.New(slog.DiscardHandler)
	}
	return raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:                  streamLayer{l, dial},
		Logger:                  newLogger(to),
		MaxPool:                 3,
		MaxRPCsInFlight:         1,
		Timeout:                 ioTimeout,
		MsgpackUseNewTimeFormat: true,
	})
}

// streamLayer implements raft.StreamLayer.
type streamLayer struct {
	net.Listener
	dial Dial
}

// Dial implements raft.StreamLayer.
func (s streamLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.dial(ctx, string(address))
}
