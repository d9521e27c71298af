//go:build race

package queue_test

// The race detector makes everything ten times slower, and more of the same finds
// no more races.
const raceDetector = true
