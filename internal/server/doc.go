// Package server puts the parts together: it opens the listeners and the log,
// starts the engine and the doors, and ends them in order. It holds no rules of
// its own.
package server
