//go:build race

package fleet_test

// The race detector slows histories down tenfold: it sees a part of them.
func init() { underRace = true }
