package crdt

import (
	"errors"
	"slices"

	"github.com/concord-crdt/concord/codec"
)

// ProposalField writes proposals and verdicts of a record: a value that counts
// only when someone approved it.
//
// A verdict names the proposal and the verdicts on it that its author saw, and
// takes their place. Of verdicts that nobody has replaced a rejection beats an
// approval, so two people who decide apart end with the safer answer. Of the
// approved proposals the one with the latest stamp is the value.
//
// Propose is O(bytes of the value), Decide and reading O(n log n) in the entries of
// the field. Who may decide is not this type's matter.
//
// Errors are the first one of the change; Decide returns [ErrNoProposal].
//
// Comes from an [Editor] or a [MapField], and is of use until its change ends.
// Not safe for concurrent use.
//
// Source: our own; the verdicts are a multi-value register, see [RegisterField],
// whose siblings are read as a minimum.
type ProposalField struct{ at place }

// ErrNoProposal means that a verdict names what is not a proposal here.
var ErrNoProposal = errors.New("crdt: no such proposal")

// Propose offers a value and returns the name to decide on.
func (f ProposalField) Propose(v any) (EntryID, error) {
	n, p, err := f.at.open()
	if err != nil {
		return EntryID{}, err
	}
	b, err := codec.AppendValue(nil, v)
	if err != nil {
		return EntryID{}, f.at.ed.fail(f.at.path, err)
	}
	return f.at.ed.grow(n, p, proposalEntry{value: b}.encode()), nil
}

// Decide gives a verdict on a proposal that the actor saw, in place of the verdicts
// on it that he saw.
func (f ProposalField) Decide(of EntryID, approve bool) error {
	n, p, err := f.at.open()
	if err != nil {
		return err
	}
	e := proposalEntry{verdict: true, approve: approve, of: of}
	found := false
	for _, x := range n.grown.sortedRaw() {
		old, err := readProposal(x.Value)
		if err != nil || !f.at.ed.sees(Entry{ID: x.ID}) {
			continue
		}
		found = found || !old.verdict && x.ID == of
		if old.verdict && old.of == of {
			e.replaces = append(e.replaces, x.ID)
		}
	}
	if !found {
		return f.at.ed.fail(f.at.path, ErrNoProposal)
	}
	f.at.ed.grow(n, p, e.encode())
	return nil
}

type proposalEntry struct {
	verdict  bool
	value    []byte // of a proposal
	approve  bool
	of       EntryID
	replaces []EntryID
}

func (e proposalEntry) encode() []byte {
	w := codec.NewWriter(nil)
	w.Bool(e.verdict)
	if !e.verdict {
		w.Blob(e.value)
		return w.Bytes()
	}
	w.Bool(e.approve)
	writeDotRaw(w, e.of)
	w.Uvarint(uint64(len(e.replaces)))
	for _, id := range e.replaces {
		writeDotRaw(w, id)
	}
	return w.Bytes()
}

func readProposal(b []byte) (e proposalEntry, err error) {
	r := codec.NewReader(b)
	if e.verdict = r.Bool(); !e.verdict {
		e.value = r.Blob("value", maxValueBytes)
		if r.Err() == nil {
			r.Fail("value", codec.CheckValue(e.value))
		}
		return e, r.Close()
	}
	e.approve, e.of = r.Bool(), readDotRaw(r)
	for range r.Count("verdicts", maxEntries, 26) {
		id := readDotRaw(r)
		if n := len(e.replaces); n > 0 && e.replaces[n-1].Compare(id) >= 0 {
			r.Fail("verdicts", codec.ErrNotCanonical)
		}
		e.replaces = append(e.replaces, id)
	}
	return e, r.Close()
}

// Verdict is what became of a proposal.
type Verdict uint8

// The verdicts.
const (
	Open     Verdict = iota // nobody decided
	Approved                // somebody approved, and nobody declined
	Declined                // somebody declined
)

// String is the verdict's name.
func (v Verdict) String() string {
	return [...]string{"open", "approved", "declined"}[min(v, Declined)]
}

// Proposed is a proposal with its verdict.
type Proposed struct {
	Candidate
	Verdict  Verdict
	Verdicts []Candidate // those that nobody replaced; the value is true for an approval
}

// GivenVerdict is a verdict as it was given: its value is true for an approval.
type GivenVerdict struct {
	Candidate
	Of       EntryID   // the proposal
	Replaces []EntryID // the verdicts on it that its author saw
}

// GivenVerdicts lists the verdicts of a proposal field in the order of their
// stamps, then names, those among them that were replaced. O(n log n) in the
// entries of the field.
func (f Field) GivenVerdicts() []GivenVerdict {
	var out []GivenVerdict
	for _, x := range f.grownEntries() {
		if e, err := readProposal(x.Value); err == nil && e.verdict {
			out = append(out, GivenVerdict{Candidate{x.ID, e.approve, x.meta}, e.of, e.replaces})
		}
	}
	return out
}

// Proposals lists the proposals of a field in the order of their stamps, then
// names. O(n log n) in the entries of the field.
func (f Field) Proposals() []Proposed {
	es := f.grownEntries()
	replaced := map[EntryID]bool{}
	verdicts := map[EntryID][]Candidate{}
	var out []Proposed
	for _, x := range es {
		if e, err := readProposal(x.Value); err == nil && e.verdict {
			for _, id := range e.replaces {
				replaced[id] = true
			}
		}
	}
	for _, x := range es {
		e, err := readProposal(x.Value)
		if err != nil {
			continue
		}
		if e.verdict {
			if !replaced[x.ID] {
				verdicts[e.of] = append(verdicts[e.of], Candidate{x.ID, e.approve, x.meta})
			}
			continue
		}
		v, _ := codec.DecodeValue(e.value)
		out = append(out, Proposed{Candidate: Candidate{x.ID, v, x.meta}})
	}
	for i := range out {
		p := &out[i]
		p.Verdicts = verdicts[p.ID]
		for _, c := range p.Verdicts {
			if c.Value == true && p.Verdict == Open {
				p.Verdict = Approved
			} else if c.Value == false {
				p.Verdict = Declined
			}
		}
	}
	return out
}

// Accepted is the value of a proposal field: the approved proposal with the
// latest stamp; ok is false if there is none. It costs what [Field.Proposals]
// does.
func (f Field) Accepted() (c Candidate, ok bool) {
	for _, p := range slices.Backward(f.Proposals()) {
		if p.Verdict == Approved {
			return p.Candidate, true
		}
	}
	return Candidate{}, false
}
