//go:build !plantedfaults

package planted

// On says that this program was built with faults in it.
const On = false

// Is reports whether a fault is planted: never.
func Is(Fault) bool { return false }

// Wall stands for a wall clock that a rule reads by mistake.
func Wall() uint64 { return 0 }
