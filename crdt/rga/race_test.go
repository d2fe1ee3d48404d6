//go:build race

package rga

// The race detector slows this package down tenfold, and there is nothing to
// find in it: it starts no goroutine. So it sees a part of the tests.
func init() { underRace = true }
