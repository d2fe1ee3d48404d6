package scenario

// The interfaces below drive steps about stores and sync sessions. A world
// implements those whose capability its opener lists.

// BulkReplica fills an object with many entries, for [CanBulkPut] and [CanTouch].
type BulkReplica interface {
	Replica
	// BulkPut writes entries of so many bytes, one transaction each.
	BulkPut(object string, records, bytesEach int) error
	// Touch changes n of them, spread evenly.
	Touch(object string, n int) error
}

// SyncCost is what a session took.
type SyncCost struct {
	Bytes      int64 // both ways
	FullBytes  int64 // of the transfer of everything, for comparison
	RoundTrips int64
	Changes    int64 // sent, both ways
}

// Meter measures a session that flows both ways, for [CanMeasureSync].
type Meter interface {
	World
	MeasureSync(from, to string) (SyncCost, error)
}

// Dropper cuts connections, for [CanDropSync].
type Dropper interface {
	World
	// SyncWithDrops syncs with the connection cut after these shares of the bytes
	// of an undisturbed transfer, then once more to the end. It returns an error
	// if a session sent again what was acknowledged, or lost something.
	SyncWithDrops(from, to string, after []Percent) error
}

// Stepper looks into a transfer, for [CanStepSync] and [CanBudgetSync].
type Stepper interface {
	World
	// SyncStepwise syncs and holds the named checks after each chunk
	// (priority_order, parents_present, progress). After the given share of the
	// bytes it calls then, once.
	SyncStepwise(from, to string, checks []string, after Percent, then func() error) error
	// SyncWithBudget syncs with a byte budget that holds exactly the named
	// priority class, with the parents that it needs.
	SyncWithBudget(from, to, class string) error
}

// Crasher kills the process of a replica and opens it again, for [CanKill] and
// [CanCrashLoop].
type Crasher interface {
	World
	// KillDuring does what is named, from a peer if one is named, and kills the
	// replica at each of the points in turn. It returns an error if a state was
	// neither the one before nor the one after.
	KillDuring(what, on, from, points string) error
	// CrashLoop runs the edit in a loop and kills the replica at a random moment,
	// so many times. It returns an error if an acknowledged edit was lost, or
	// more took effect than were attempted.
	CrashLoop(on string, times int, edit Edit) error
}

// Locker opens a store a second time, for [CanOpenAgain].
type Locker interface {
	World
	// OpenAgain lets a second process open the store of a replica, and returns
	// its error.
	OpenAgain(on string) error
}

// DiskFiller takes and gives back the space of a replica's disk, for
// [CanFillDisk].
type DiskFiller interface {
	World
	FillDisk(on string) error
	FreeDisk(on string) error
}

// Collector forgets, for [CanCollect].
type Collector interface {
	World
	// Collect lets the steward write a settle mark as far as it may, and the
	// replica fold and purge what lies below.
	Collect(on string) error
}
