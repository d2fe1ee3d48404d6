package model

// Rule is a rule of the model that a fleet can go without. Rules are bits.
type Rule uint16

// The rules, and what takes their place when they are taken out.
const (
	// BirthsAsSet: a change and a deletion name every birth that is live.
	// Without it they name the first.
	BirthsAsSet Rule = 1 << iota
	// SupersedesApart: a write supersedes what its actor saw. Without it, what
	// its replica had applied.
	SupersedesApart
	// ClocksApart: a head counts when it is applied. Without it, when it is
	// stored.
	ClocksApart
	// HeadsGate: a change waits for its heads. Without it, it is applied as it
	// comes.
	HeadsGate
	// CountersPerBirths: other births begin a new run of a counter. Without it
	// the run goes on.
	CountersPerBirths
	// ChainAtContact: peers state the chain digests of each other's changes
	// first. Without it nobody looks.
	ChainAtContact
	// RestoreRemovesNothing: a restore names the deletions that it saw. Without
	// it, it takes away whatever deletions are there when it arrives.
	RestoreRemovesNothing
	// RandomIncarnations: a new incarnation is a random number. Without it, the
	// next one.
	RandomIncarnations
	// RejectedWaits: a rejected change waits for its heads as others do.
	// Without it, it is entered as it comes.
	RejectedWaits
)

// Rules lists all rules in the order of their names' definition.
var Rules = []Rule{BirthsAsSet, SupersedesApart, ClocksApart, HeadsGate, CountersPerBirths,
	ChainAtContact, RestoreRemovesNothing, RandomIncarnations, RejectedWaits}

var ruleNames = map[Rule]string{
	BirthsAsSet:           "births as a set",
	SupersedesApart:       "supersedes apart from heads",
	ClocksApart:           "stored and applied clocks apart",
	HeadsGate:             "heads gate a change",
	CountersPerBirths:     "counters per set of births",
	ChainAtContact:        "chain digest at first contact",
	RestoreRemovesNothing: "a restore removes nothing",
	RandomIncarnations:    "random incarnations",
	RejectedWaits:         "a rejected change waits for its heads",
}

// String is the rule in words.
func (r Rule) String() string { return ruleNames[r] }
