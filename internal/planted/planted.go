// Package planted has faults that are put into Concord on purpose, to show that
// its tests would notice them. Each stands at the very place of the rule that it
// breaks, as a question:
//
//	if planted.Is(planted.HeadsIgnored) { … }
//
// Without the build tag plantedfaults the answer is a constant no, and the
// compiler drops the question with what hangs on it. With the tag a test switches
// on one fault at a time:
//
//	go test -tags plantedfaults -run Teeth ./proptest/...
//
// Package proptest/teeth has the catalogue: what each fault breaks, and how soon
// it is found.
package planted

// Fault is a fault that can be planted.
type Fault uint8

// None is no fault.
const None Fault = 0

// Clocks and bytes.
const (
	LogicalWraps     Fault = 1 + iota // a full logical part of a stamp starts again, without a carry
	StampNotObserved                  // a clock does not follow the stamps that it is told
	BoundNotKept                      // the bound of a clock is given out before it is durable
	OverlongNumber                    // a number is read in more bytes than it takes
)

// Changes and records.
const (
	WidenedRemoval      Fault = 20 + iota // a removal takes entries that its author did not see
	LoserDropped                          // a concurrent value goes because another one won
	HeadsAsSupersedes                     // a write replaces what its replica had, not what its actor saw
	SkippedHead                           // a change leaves out one of its heads
	HeadsIgnored                          // a change is applied without its heads
	SingleBirth                           // a change names the first of the births alone
	OneRunOfCounter                       // a counter goes on from totals of births that are gone
	RestoreRemoves                        // a restore removes the deletions that are here
	WidenedDeletion                       // a deletion ends births that it does not name
	OrphansShown                          // what belongs to no live birth is shown
	LocalPurge                            // a deletion forgets births, without a mark
	TieByNumber                           // a tie is broken by a number that each replica gives out
	SumNotTaken                           // a removal stays in the digest
	JoinKeepsSuperseded                   // a join brings back what the other side superseded
	SupersedersLost                       // a join forgets who superseded a kept value
	VoidTakesEffect                       // a rejected change has an effect
	VoidBlocks                            // a rejected change is no head, and covers none
	StampBelowHeads                       // an effective stamp stays below those of its heads
)

// Marks.
const (
	FloorNotInJoins  Fault = 60 + iota // the floor's cut does not count as covered
	MarkBeforeCut                      // a mark does not wait for its cut
	CutNotClosed                       // a cut leaves out members' own changes
	LastEditAlone                      // only an origin's last edit is known at a fold
	PolicyOfReader                     // marks fold by the last one's policy, not each by its own
	TwoStewards                        // a mark of another than the steward continues the chain
	StampsNotFrozen                    // a fold lets the stamps of settled changes move
	RestoresOfLater                    // a fold counts restores from outside its cut
	SettledForgotten                   // a join loses what a mark folded of a stock
)

// Rules and views.
const (
	TieByArrival    Fault = 90 + iota // a tie is broken by the place at which a candidate came
	PairwiseFolding                   // candidates are decided two by two
	RuleReadsClock                    // a rule reads the wall clock
	ViewWrittenBack                   // what a rule decided is written as a change
)

// Replicas and sessions.
const (
	AcknowledgedEarly  Fault = 110 + iota // a write returns before it is durable
	ReusedDot                             // who lost its past goes on under its old name
	CountedIncarnation                    // a new incarnation is the next number
	ClocksApartLost                       // a head counts when it is stored
	ClocksJoinedHalf                      // a clock covers a chunk of which the first change was taken
	PastNotCompared                       // peers do not compare the history of each other's changes
	WaitingForgotten                      // what waits is not looked at when what it needs comes
	CacheKept                             // memory keeps what a failed write did not store
	AheadClamped                          // a stamp that is ahead is set back at the receiver
	WaitingAsApplied                      // the applied clock covers what waits
	TallyNotKept                          // the sum of a scope does not follow a change
	SnapshotOfPast                        // a snapshot names changes that it lacks
)
