//go:build plantedfaults

package planted

import "sync/atomic"

// On says that this program was built with faults in it.
const On = true

var (
	on   atomic.Uint32
	wall atomic.Uint64
)

// Is reports whether a fault is planted.
func Is(f Fault) bool { return on.Load() == uint32(f) }

// Plant plants a fault in place of the one before. None takes it out.
func Plant(f Fault) { on.Store(uint32(f)) }

// Wall stands for a wall clock that a rule reads by mistake: it shows something
// else at every look.
func Wall() uint64 { return wall.Add(1) * 0x9e3779b97f4a7c15 }
