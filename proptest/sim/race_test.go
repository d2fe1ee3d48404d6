//go:build race

package sim_test

// The race detector slows histories down tenfold: it sees a part of them.
func init() { underRace = true }
