package merge

import (
	"cmp"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// Inspection says how to look at a record. The zero value asks for everything.
type Inspection struct {
	// Now gives what other records show, see [ViewWith].
	Now Elsewhere
	// Without are the dimensions of detection that are switched off.
	Without Dimension
	// Plain looks with resolution off: the latest is shown, nothing is held, and
	// detection runs all the same.
	Plain bool
}

// Report is all that the rules have to say about a record: the view, and what it
// does not show. It follows from the state and the rules alone, so every replica
// has the same queue.
type Report struct {
	View RecordView
	// Held are the holds of the view.
	Held []Hold
	// Overruled are the writes that are kept and that the view does not show, by
	// field, then entry.
	Overruled []Overruled
	// Conflicts that are open, by field.
	Conflicts []Conflict
	// Review lists what a person is asked to look at, by field.
	Review []ReviewRequest
	// Unresolved are the fields for which no candidate meets the requirements.
	Unresolved []string
	// Facts of the logs whose entries are folded by intent, by field.
	Facts []FactsOf
}

// FactsOf are the facts of one log, in its order.
type FactsOf struct {
	Field string
	Facts []Fact
}

// Severity is the gravest of the report's conflicts; somebody is asked about a
// field, too, where there is a review or an unresolved field.
func (out *Report) Severity() (n Notice) {
	if len(out.Review)+len(out.Unresolved)+len(out.Held) > 0 {
		n = NoticeDeferred
	}
	for i := range out.Conflicts {
		n = max(n, out.Conflicts[i].Severity)
	}
	return n
}

// Overruled is a write that is not shown and can still be read.
type Overruled struct {
	Write
	By OverruledBy
}

// OverruledBy says why a write is not shown.
type OverruledBy uint8

// The reasons.
const (
	OverruledByRule     OverruledBy = iota // the rule preferred another
	OverruledByWrite                       // a later write replaced it
	OverruledByVerdict                     // somebody turned it down
	OverruledByDeletion                    // the record was deleted
)

var overruledNames = [...]string{OverruledByRule: "rule", OverruledByWrite: "write", OverruledByVerdict: "verdict", OverruledByDeletion: "deletion"}

// String is the word for people.
func (o OverruledBy) String() string { return nameOf("overruled", overruledNames[:], int(o)) }

// Inspect looks at a record and says all that the rules make of it. nil stands for
// no rules.
//
// It costs what [View] does, and O(changes that are kept): it is for queues and
// for people, and not for each read.
func Inspect(r *crdt.Record, c *CollectionRules, o Inspection) Report {
	v := newViewing(r, c, o.Now)
	v.plain = o.Plain
	out := Report{View: v.view()}
	out.Held = out.View.Held
	out.overrule(v)
	if !out.View.Exists {
		return out
	}
	l := v.whole()
	d := detection{lens: l, view: &out.View, without: o.Without}
	d.technical()
	d.broken()
	slices.SortStableFunc(d.conflicts, func(a, b Conflict) int {
		return cmp.Or(strings.Compare(a.Field, b.Field), cmp.Compare(a.Kind, b.Kind))
	})
	sortReviews(d.reviews)
	out.Conflicts, out.Review = d.conflicts, d.reviews
	walkFields(out.View.Fields, func(name string, f *FieldView) {
		if f.Resolution.Unresolved {
			out.Unresolved = append(out.Unresolved, name)
		}
		if f.Facts != nil {
			out.Facts = append(out.Facts, FactsOf{name, f.Facts})
		}
	})
	return out
}

// walkFields visits the fields of a view, parents first, with their names and the
// keys of maps.
func walkFields(fields []FieldView, visit func(name string, f *FieldView)) {
	type place struct {
		name string
		f    *FieldView
	}
	var todo []place
	for i := len(fields) - 1; i >= 0; i-- {
		todo = append(todo, place{fields[i].Name, &fields[i]})
	}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		visit(at.name, at.f)
		for i := len(at.f.Fields) - 1; i >= 0; i-- {
			todo = append(todo, place{at.name + "/" + at.f.Fields[i].Name, &at.f.Fields[i]})
		}
	}
}

// overrule lists the writes that the view does not show.
func (out *Report) overrule(v *viewing) {
	held := map[clock.Dot]bool{}
	for _, h := range out.Held {
		held[h.Change] = true
	}
	winners, decided := map[crdt.EntryID]bool{}, map[string]bool{}
	walkFields(out.View.Fields, func(name string, f *FieldView) {
		if w, ok := f.Winner(); ok {
			winners[w.Entry] = true
			decided[name] = true
		}
	})
	for _, f := range v.rec.Written(v.policy()) {
		left, cs := v.holds.hides(f.Name()), f.Contributions()
		ended := v.endedOf(cs, left)
		for _, c := range cs {
			w := v.write(f.Name(), &c)
			switch d := c.ID.Dot; {
			case c.Removes || c.Type == crdt.TypePresence || winners[c.ID]:
			case !c.Live || !out.View.Exists:
				out.Overruled = append(out.Overruled, Overruled{w, OverruledByDeletion})
			case v.holds.turned[d] || v.holds.voted[f.Name()][d]:
				out.Overruled = append(out.Overruled, Overruled{w, OverruledByVerdict})
			case held[d] && left != nil && left(d):
			case len(c.SupersededBy) > 0 && (ended[d] || left != nil && left(d)):
				out.Overruled = append(out.Overruled, Overruled{w, OverruledByWrite})
			case left != nil && left(d):
				out.Overruled = append(out.Overruled, Overruled{w, OverruledByRule})
			case (c.Type == crdt.TypeRegister || c.Type == crdt.TypeGroup) && decided[w.Field]:
				out.Overruled = append(out.Overruled, Overruled{w, OverruledByRule})
			}
		}
		out.overruleProposals(v, f)
	}
	slices.SortStableFunc(out.Overruled, func(a, b Overruled) int {
		return cmp.Or(strings.Compare(a.Field, b.Field), a.Entry.Compare(b.Entry))
	})
}

// overruleProposals lists the proposals that are decided and not shown.
func (out *Report) overruleProposals(v *viewing, f crdt.Field) {
	shown, ok := out.View.Field(f.Name())
	if f.Type() != crdt.TypeProposal || !ok {
		return
	}
	w, _ := shown.Winner()
	for _, p := range v.judged(f, v.rules.Field(f.Name())) {
		by := OverruledByRule
		if p.Verdict == crdt.Declined {
			by = OverruledByVerdict
		}
		if p.Verdict != crdt.Open && (w == nil || w.Entry != p.ID) {
			out.Overruled = append(out.Overruled, Overruled{Write{f.Name(), v.candidate(&p.Candidate)}, by})
		}
	}
}
