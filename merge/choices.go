package merge

import (
	"fmt"
	"slices"
	"strings"
)

// Priority is the class in which a collection's scopes are synchronised: the
// greater goes first. The zero value is [Normal].
type Priority int8

// The classes of priority, from last to first.
const (
	Bulk     Priority = -1
	Normal   Priority = 0
	High     Priority = 1
	Critical Priority = 2
)

// String is the name of the class, as [ParsePriority] reads it.
func (p Priority) String() string {
	if p < Bulk || p > Critical {
		return fmt.Sprintf("priority(%d)", int8(p))
	}
	return priorityNames[p-Bulk]
}

var priorityNames = [...]string{"bulk", "normal", "high", "critical"}

// ParsePriority is the inverse of [Priority.String].
func ParsePriority(s string) (Priority, error) {
	i, err := choose("priority", priorityNames[:], s)
	return Priority(i) + Bulk, err
}

// Offline is what a device may do with a collection while it has no network.
// The zero value is [OfflineWrite].
type Offline uint8

// The modes.
const (
	OfflineWrite Offline = 0 // read and write
	OfflineRead  Offline = 1 // read what is there
	OfflineNone  Offline = 2 // nothing: the collection is not kept on devices
)

var offlineNames = [...]string{OfflineWrite: "write", OfflineRead: "read", OfflineNone: "none"}

// String is the name of the mode, as [ParseOffline] reads it.
func (o Offline) String() string { return nameOf("offline", offlineNames[:], int(o)) }

// ParseOffline is the inverse of [Offline.String].
func ParseOffline(s string) (Offline, error) {
	i, err := choose("offline mode", offlineNames[:], s)
	return Offline(i), err
}

// EvidenceTime says which state of a referenced record a rule reads. The zero
// value is [AtWrite].
type EvidenceTime uint8

// The times.
const (
	// AtWrite is the state that the author's replica had: the change carries it,
	// so a rule's answer stays as it is.
	AtWrite EvidenceTime = 0
	// AtNow is the state that is here: the answer may change later.
	AtNow EvidenceTime = 1
)

var evidenceNames = [...]string{AtWrite: "write", AtNow: "now"}

// String is the name of the time, as [ParseEvidenceTime] reads it.
func (t EvidenceTime) String() string { return nameOf("at", evidenceNames[:], int(t)) }

// ParseEvidenceTime is the inverse of [EvidenceTime.String].
func ParseEvidenceTime(s string) (EvidenceTime, error) {
	i, err := choose("time of evidence", evidenceNames[:], s)
	return EvidenceTime(i), err
}

// Consistency is what a field promises. The zero value is unsaid, and means
// [Causal].
type Consistency uint8

// The levels, from the weakest.
const (
	ConsistencyUnsaid Consistency = 0
	// Eventual: all replicas come to show the same.
	Eventual Consistency = 1
	// Causal: and no effect is shown before its cause.
	Causal Consistency = 2
	// Reserved: an operation needs rights that its replica holds beforehand, by
	// escrow for a bounded counter and by a lease for a register or a group.
	Reserved Consistency = 3
	// Approved: a write counts once someone who may has approved it.
	Approved Consistency = 4
)

var consistencyNames = [...]string{ConsistencyUnsaid: "", Eventual: "eventual", Causal: "causal", Reserved: "reserved", Approved: "approved"}

// String is the name of the level, as [ParseConsistency] reads it.
func (c Consistency) String() string { return nameOf("consistency", consistencyNames[:], int(c)) }

// ParseConsistency is the inverse of [Consistency.String].
func ParseConsistency(s string) (Consistency, error) {
	i, err := choose("level of consistency", consistencyNames[:], s)
	return Consistency(i), err
}

// Quantity says whether a field counts something, so that of two writes to it
// neither is right. The zero value is unsaid.
type Quantity uint8

// The answers.
const (
	QuantityUnsaid Quantity = 0
	IsQuantity     Quantity = 1
	NotQuantity    Quantity = 2
)

func nameOf(what string, names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", what, i)
}

// choose finds a name among those known.
func choose(what string, names []string, s string) (int, error) {
	if i := slices.Index(names, s); i >= 0 && s != "" {
		return i, nil
	}
	known := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" })
	return 0, fmt.Errorf("merge: unknown %s %q (known: %s)", what, s, strings.Join(known, ", "))
}
