package replica

import (
	"context"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// logger hands raft's messages on. They are for who debugs: what an operator should
// know is logged by this package, once per change.
type logger struct {
	hclog.Logger // for what raft does not use
	to           *slog.Logger
}

func newLogger(to *slog.Logger) hclog.Logger {
	return &logger{hclog.NewNullLogger(), to.With("part", "raft")}
}

func (l *logger) Trace(msg string, args ...any) {}
func (l *logger) Debug(msg string, args ...any) { l.log(msg, args) }
func (l *logger) Info(msg string, args ...any)  { l.log(msg, args) }
func (l *logger) Warn(msg string, args ...any)  { l.log(msg, args) }
func (l *logger) Error(msg string, args ...any) { l.log(msg, args) }

func (l *logger) log(msg string, args []any) {
	l.to.Log(context.Background(), slog.LevelDebug, msg, args...)
}

func (l *logger) With(args ...any) hclog.Logger  { return &logger{l.Logger, l.to.With(args...)} }
func (l *logger) Named(name string) hclog.Logger { return l }
