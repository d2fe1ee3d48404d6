package scenario

import "slices"

// Capability is something that a world may or may not have. A scenario that
// needs one it lacks is skipped with the reason.
type Capability string

// The capabilities that scenarios name under needs.
const (
	CanMark         Capability = "marks"         // text.mark and spans
	CanMoveList     Capability = "list.move"     // list.move
	CanUndo         Capability = "undo"          // [Undoer]
	CanAnchor       Capability = "anchors"       // [Anchorer]
	CanResetCounter Capability = "counter.reset" // counter.reset
	CanRule         Capability = "rules"         // [PolicyReplica]
)

// The capabilities that stand behind single steps, named after them.
const (
	CanRestart      Capability = "restart"          // [Durable]
	CanRestore      Capability = "restore"          // [Durable]
	CanInjectHLC    Capability = "inject_hlc"       // [ClockPoisoner]
	CanShiftVersion Capability = "deliver_version"  // [Versioner]
	CanBulkPut      Capability = "bulk_put"         // [BulkReplica]
	CanTouch        Capability = "touch"            // [BulkReplica]
	CanMeasureSync  Capability = "measure_sync"     // [Meter]
	CanDropSync     Capability = "sync_with_drops"  // [Dropper]
	CanStepSync     Capability = "sync_stepwise"    // [Stepper]
	CanBudgetSync   Capability = "sync_with_budget" // [Stepper]
	CanKill         Capability = "kill_during"      // [Crasher]
	CanCrashLoop    Capability = "crash_loop"       // [Crasher]
	CanOpenAgain    Capability = "open_again"       // [Locker]
	CanFillDisk     Capability = "disk_full"        // [DiskFiller]
	CanCollect      Capability = "gc"               // [Collector]
)

// named are the capabilities that a file may need.
var named = []Capability{CanMark, CanMoveList, CanUndo, CanAnchor, CanResetCounter, CanRule}

// AllCapabilities returns every capability there is, for a world that has them
// all or all but a few.
func AllCapabilities() []Capability {
	return append(slices.Clone(named), CanRestart, CanRestore, CanInjectHLC, CanShiftVersion, CanBulkPut, CanTouch,
		CanMeasureSync, CanDropSync, CanStepSync, CanBudgetSync, CanKill, CanCrashLoop, CanOpenAgain, CanFillDisk, CanCollect)
}
