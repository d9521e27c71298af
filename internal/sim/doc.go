// Package sim holds what the rest is checked against: Model, the core written
// naively, and, in its tests, a simulation of the engine over its log on a disk that
// crashes, fails and fills up. One seed makes one run.
package sim
