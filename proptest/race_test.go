//go:build race

package proptest_test

// The race detector slows this package down tenfold, and there is nothing to
// find in it: it starts no goroutine. So it sees a part of the histories.
func init() { underRace = true }
