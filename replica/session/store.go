package session

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// Store is what a session needs of a replica's store. The core asks by
// [Command] and is given a [Result]; [Run] stands between them.
//
// Methods may be called from several goroutines, one Apply of a session at a
// time. What they return belongs to the session, and what they are given to
// them; byte slices are not changed by either side afterwards. An error ends
// the session, with everything acknowledged so far durable.
type Store interface {
	// Status describes the scopes of the store, at one moment, in any order,
	// each once. It is called at the start, after Reissue, and after every
	// change while a session is live: it should cost a copy of what memory
	// holds.
	Status() (Status, error)

	// Chains returns the chain digest of an origin's history at each of the
	// given numbers, ascending. A number that is not held gives a ChainAt with
	// Known false; number 0 is [crdt.ChainStart].
	Chains(scope string, o clock.Origin, ns []uint64) ([]ChainAt, error)

	// Changes reads changes of the given ranges, each origin's in the order of
	// their dots, until their canonical forms reach maxBytes; at least one, even
	// if it is larger. Rest is what was not reached. Changes that are in neither
	// could not be read: they and what follows them of that origin are left out
	// of the session, and reported.
	//
	// Before it returns a change of the own origin, the store notes durably that
	// a peer may see it.
	Changes(scope string, ranges []clock.Range, maxBytes int) (Batch, error)

	// Apply takes over changes and returns a verdict for each, in order, once
	// all of those that are not refused are durable. Each origin's changes come
	// in the order of their dots, without gaps.
	//
	// A change whose dot the store holds with the same hash is a Duplicate; with
	// another it is Refused with CodeFork. So is one whose Before is not the
	// chain digest that the store holds, and one that does not follow the last
	// of its origin is Refused with CodeGap: other sessions may have been faster.
	Apply(in Intake) ([]Verdict, error)

	// Reissue makes all changes of an own origin after number common again,
	// under a new incarnation, and forgets them under the old name. It returns
	// the origin that the replica writes under from now on. It is called where
	// the peer holds changes of this replica which the store does not remember,
	// or remembers otherwise.
	Reissue(scope string, o clock.Origin, common uint64) (clock.Origin, error)

	// Acknowledged notes what the peer said that it has applied, durably, with
	// all that it had made by then: a scope's steward settles by it. Only scopes
	// in which nothing waits at the peer are told.
	Acknowledged(peer clock.Origin, scopes []Acknowledgement) error

	// Wanted lists records after a key, in the order of their keys, whose fragments
	// the store needs, as husks that it holds name them; up to [MaxWants]. A husk is
	// what remains of a settled change whose bytes were dropped, see [crdt.Husk].
	Wanted(scope, after string) ([]Want, error)

	// Fragments reads the stored forms of the records wanted, in this order, in pieces
	// of maxBytes together, at least one. Rest is what was not reached; the first of
	// it has in Have where its next piece begins, if that is within it. What a piece
	// tells is durable before it returns, and noted as shown to a peer.
	Fragments(scope string, wants []Want, maxBytes int) (FragmentBatch, error)

	// Stage keeps pieces of fragments until all that the store needs are here, and
	// takes them over then. It returns when they are durable. Pieces that do not fit
	// what came before are dropped, and wanted again.
	Stage(f Fragments) error
}

// MaxWants is how many records may be asked for at once.
const MaxWants = 128

// Want asks for the stored form of a record. Of that with the hash the asker has
// the first bytes already.
type Want struct {
	Key  string
	Have uint64
	Hash crdt.Hash // zero where Have is
}

// Piece is a part of the stored form of a record.
type Piece struct {
	Key   string
	Total uint64    // bytes of the whole; zero: the sender does not have the record as it is wanted
	Hash  crdt.Hash // of the whole
	From  uint64
	Bytes []byte
}

// FragmentBatch is what a store read: pieces, and what it did not reach.
type FragmentBatch struct {
	Pieces []Piece
	Rest   []Want
}

// Fragments is what a store is asked to stage.
type Fragments struct {
	Peer   clock.Origin
	Scope  string
	Agreed clock.Stamp // see [Intake]
	Pieces []Piece
}

// Acknowledgement is what a replica has applied of a scope.
type Acknowledgement struct {
	Scope   string
	Applied clock.VersionVector
}

// Status is what a store holds.
type Status struct {
	Scopes []ScopeStatus
}

// ScopeStatus is what a store holds of one scope. It is not changed after it
// was returned.
type ScopeStatus struct {
	Name  string
	Class uint8 // priority: 0 is sent first, 3 last
	// Stored covers what is durable: applied, rejected or waiting.
	Stored clock.VersionVector
	// Applied covers what is applied or rejected.
	Applied clock.Context
	// Fingerprint is of the state at Applied: equal clocks with different
	// fingerprints are a divergence.
	Fingerprint crdt.Hash
	// Chains has for each origin in Stored its chain digest at its last number.
	Chains map[clock.Origin]crdt.Hash
	// Lacks says that the store holds husks that wait for fragments of their records.
	// The peer is not told: it is asked.
	Lacks bool
	// Digest is [ScopeStatus.Sum], if the store keeps it; zero makes the session
	// compute it.
	Digest crdt.Hash
}

// Sum is a digest of the whole status of the scope: equal ones have nothing to
// tell each other. O(origins).
func (s *ScopeStatus) Sum() crdt.Hash {
	var t clock.Table
	body := codec.NewWriter(make([]byte, 0, 64+40*s.Stored.Len()))
	body.String(s.Name)
	s.Stored.Write(body, &t)
	s.Applied.Write(body, &t)
	body.Raw(s.Fingerprint[:])
	for o := range s.Stored.All() {
		h := s.Chains[o]
		body.Raw(h[:])
	}
	w := codec.NewWriter(make([]byte, 0, body.Len()+25*t.Len()))
	t.Write(w)
	w.Raw(body.Bytes())
	return crdt.HashOf(w.Bytes())
}

// sum is Sum, unless the store knows it.
func (s *ScopeStatus) sum() crdt.Hash {
	if s.Digest != (crdt.Hash{}) {
		return s.Digest
	}
	return s.Sum()
}

// stands reports whether the stored clock is that of another status of the scope.
// Digests that the store keeps spare the look at the clocks.
func (s *ScopeStatus) stands(o *ScopeStatus) bool {
	return s.Digest != (crdt.Hash{}) && s.Digest == o.Digest || s.Stored.Equal(&o.Stored)
}

// appliedDigest is a digest of the applied clock.
func (s *ScopeStatus) appliedDigest() crdt.Hash {
	var t clock.Table
	body := codec.NewWriter(nil)
	s.Applied.Write(body, &t)
	w := codec.NewWriter(nil)
	t.Write(w)
	w.Raw(body.Bytes())
	return crdt.HashOf(w.Bytes())
}

// chain is the digest at the last number of o.
func (s *ScopeStatus) chain(o clock.Origin) crdt.Hash {
	if h, ok := s.Chains[o]; ok {
		return h
	}
	return crdt.ChainStart(s.Name, o)
}

// Sum is one digest over all scopes.
func (s Status) Sum() crdt.Hash {
	scopes := slices.Clone(s.Scopes)
	slices.SortFunc(scopes, func(a, b ScopeStatus) int { return cmp.Compare(a.Name, b.Name) })
	w := codec.NewWriter(make([]byte, 0, 16*len(scopes)))
	for i := range scopes {
		if scopes[i].Stored.IsEmpty() {
			continue // a scope without a change is no scope yet
		}
		h := scopes[i].sum()
		w.Raw(h[:])
	}
	return crdt.HashOf(w.Bytes())
}

// ChainAt is the chain digest of an origin at one number.
type ChainAt struct {
	N     uint64
	Hash  crdt.Hash
	Known bool
}

// Change is a stored change.
type Change struct {
	Dot     clock.Dot
	Encoded []byte // its canonical form, or that of its husk
	// Before is the chain digest before the change. It is looked at for the
	// first change of each origin in a batch.
	Before crdt.Hash
}

// Batch is what a store read: changes, and the ranges that it did not reach.
type Batch struct {
	Changes []Change
	Rest    []clock.Range
}

// Intake is what a store is asked to apply.
type Intake struct {
	Peer  clock.Origin
	Scope string
	// Agreed is the time that the session goes by, see [clock.Agreed].
	Agreed  clock.Stamp
	Changes []Incoming
}

// Incoming is a change that arrived. The session has checked that it is the
// change which its dot promises, and that it follows, by the hash chain, what
// it says to follow.
type Incoming struct {
	Dot     clock.Dot
	Encoded []byte    // canonical
	Hash    crdt.Hash // of the change, as a husk states it
	Before  crdt.Hash // the chain digest before it; [crdt.Chain] with Hash gives the one after
	// Husk says that Encoded is a husk: Change has its stamp and keys alone.
	Husk bool
	// Change is what Encoded says. When Unknown is set it has what could be read
	// before the unknown part, and may be nil.
	Change *crdt.Change
	// Unknown is set when a later version of the program wrote the change in a
	// form that this one cannot join. It can be stored, forwarded and waited for.
	Unknown error
}

// Verdict is what a receiver decided about one change.
type Verdict struct {
	Outcome Outcome
	Code    Code
	Reason  string // for people; cut to 200 bytes on the wire
}

// String is the verdict in words.
func (v Verdict) String() string {
	switch {
	case v.Code == CodeNone:
		return v.Outcome.String()
	case v.Reason == "":
		return fmt.Sprintf("%v (%v)", v.Outcome, v.Code)
	}
	return fmt.Sprintf("%v (%v: %s)", v.Outcome, v.Code, v.Reason)
}

// Command is what the core wants from the store. ID returns in the [Result].
// At most seven are open at any time.
type Command struct {
	ID uint64
	Op Op
}

// Op is one of [ReadStatus], [ReadChains], [ReadChanges], [ApplyChanges],
// [ReissueChanges], [NoteAcknowledged], [ReadWanted], [ReadFragments] and
// [StageFragments].
type Op interface{ op() }

// The operations, with the arguments of the methods of [Store].
type (
	// ReadStatus stands for [Store.Status].
	ReadStatus struct{}
	// ReadChains stands for [Store.Chains].
	ReadChains struct {
		Scope  string
		Origin clock.Origin
		Ns     []uint64
	}
	// ReadChanges stands for [Store.Changes].
	ReadChanges struct {
		Scope    string
		Ranges   []clock.Range
		MaxBytes int
	}
	// ApplyChanges stands for [Store.Apply].
	ApplyChanges struct{ Intake Intake }
	// ReissueChanges stands for [Store.Reissue].
	ReissueChanges struct {
		Scope  string
		Origin clock.Origin
		Common uint64
	}
	// NoteAcknowledged stands for [Store.Acknowledged].
	NoteAcknowledged struct {
		Peer   clock.Origin
		Scopes []Acknowledgement
	}
	// ReadWanted stands for [Store.Wanted].
	ReadWanted struct{ Scope, After string }
	// ReadFragments stands for [Store.Fragments].
	ReadFragments struct {
		Scope    string
		Wants    []Want
		MaxBytes int
	}
	// StageFragments stands for [Store.Stage].
	StageFragments struct{ Fragments Fragments }
)

func (ReadStatus) op()       {}
func (ReadChains) op()       {}
func (ReadChanges) op()      {}
func (ApplyChanges) op()     {}
func (ReissueChanges) op()   {}
func (NoteAcknowledged) op() {}
func (ReadWanted) op()       {}
func (ReadFragments) op()    {}
func (StageFragments) op()   {}

// Result answers the [Command] of the same ID. Of the values, the one that the
// operation returns is set, or Err.
type Result struct {
	ID       uint64
	Err      error
	Status   Status
	Chains   []ChainAt
	Batch    Batch
	Verdicts []Verdict
	Origin   clock.Origin
	Wants    []Want
	Pieces   FragmentBatch
}

// Run carries out a command on a store. It blocks as long as the store does.
func Run(s Store, c Command) Result {
	r := Result{ID: c.ID}
	switch op := c.Op.(type) {
	case ReadStatus:
		r.Status, r.Err = s.Status()
	case ReadChains:
		r.Chains, r.Err = s.Chains(op.Scope, op.Origin, op.Ns)
	case ReadChanges:
		r.Batch, r.Err = s.Changes(op.Scope, op.Ranges, op.MaxBytes)
	case ApplyChanges:
		r.Verdicts, r.Err = s.Apply(op.Intake)
	case ReissueChanges:
		r.Origin, r.Err = s.Reissue(op.Scope, op.Origin, op.Common)
	case NoteAcknowledged:
		r.Err = s.Acknowledged(op.Peer, op.Scopes)
	case ReadWanted:
		r.Wants, r.Err = s.Wanted(op.Scope, op.After)
	case ReadFragments:
		r.Pieces, r.Err = s.Fragments(op.Scope, op.Wants, op.MaxBytes)
	case StageFragments:
		r.Err = s.Stage(op.Fragments)
	default:
		r.Err = fmt.Errorf("session: unknown operation %T", c.Op)
	}
	return r
}
