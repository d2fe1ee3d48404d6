package main

import (
	"fmt"
	"math/big"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

// counted is a recount of a stock.
type counted struct {
	Count int64  `json:"count"`
	AsOf  string `json:"as_of,omitempty"` // without it, when it was written
	asOf  clock.Stamp
}

// opened are the bounds of a bounded counter.
type opened struct {
	Least int64  `json:"least"`
	Most  int64  `json:"most"`
	Value string `json:"value"`
}

// moved is a restamp.
type moved struct {
	Origin  string `json:"origin"`
	From    uint64 `json:"from"`
	To      uint64 `json:"to"`
	Back    string `json:"back"`
	restamp crdt.Restamp
}

// settledTo is a settle mark.
type settledTo struct {
	Number  uint64            `json:"number"`
	Steward string            `json:"steward"`
	Policy  uint64            `json:"policy"`
	Cut     map[string]uint64 `json:"cut"`
	mark    *crdt.Mark
}

// ruledWords says what was done to a field of a type that keeps to a rule of its
// own.
func (x *described) ruledWords() string {
	switch v := x.value.(type) {
	case counted:
		if v.AsOf == "" {
			return fmt.Sprintf("counted %d", v.Count)
		}
		return fmt.Sprintf("counted %d as of %s", v.Count, showTime(v.asOf.Time()))
	case opened:
		return fmt.Sprintf("opened between %d and %d, at %s", v.Least, v.Most, v.Value)
	case given:
		if v.Down > 0 {
			return fmt.Sprintf("gave replica %s the rights to take away %d", v.to.Replica.String()[:8], v.Down)
		}
		return fmt.Sprintf("gave replica %s the rights to add %d", v.to.Replica.String()[:8], v.Up)
	case moved:
		return fmt.Sprintf("moved the stamps of changes %d to %d of %v back by %v", v.From, v.To, v.restamp.Origin, v.restamp.Back)
	case settledTo:
		return fmt.Sprintf("settled the scope, for the %s time, up to %s", ordinal(v.Number), v.mark.Cut.String())
	}
	of := ""
	if x.value != nil {
		of = " " + show(x.value, shownBytes)
	}
	if p := x.of; p != nil {
		of += ", proposed by " + author(p.by.Actor, p.by.Role, p.dot.Origin)
	}
	switch x.action {
	case actionPropose:
		return "proposed" + of
	case actionApprove:
		return "approved" + of
	case actionDecline:
		return "declined" + of
	}
	return "changed"
}

func ordinal(n uint64) string {
	switch {
	case n%10 == 1 && n%100 != 11:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2 && n%100 != 12:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3 && n%100 != 13:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}

func (d *describer) stock(path []string) {
	for _, m := range d.after.field(path, crdt.TypeStock).Movements() {
		n, _ := m.Value.(int64)
		switch {
		case m.ID.Dot != d.dot:
		case m.Recount:
			c := counted{Count: n, asOf: m.AsOf}
			if m.AsOf != 0 {
				c.AsOf = jsonTime(m.AsOf)
			}
			d.tell(path, crdt.TypeStock, actionRecount, c)
		default:
			d.tell(path, crdt.TypeStock, actionAdd, big.NewInt(n))
		}
	}
}

// bounded tells the opening, and what was spent and given away.
func (d *describer) bounded(path []string) {
	if b := d.after.field(path, crdt.TypeBounded).Bounded(); b.Open {
		d.tell(path, crdt.TypeBounded, actionOpen, opened{b.Least, b.Most, b.Value.String()})
		return
	}
	before := map[clock.Origin]crdt.Ledger{}
	for _, l := range d.before.field(path, crdt.TypeBounded).Ledgers() {
		before[l.Origin] = l
	}
	told := len(d.out)
	for _, l := range d.after.field(path, crdt.TypeBounded).Ledgers() {
		if l.Origin == d.dot.Origin {
			old := before[l.Origin]
			d.ledger(path, &old, &l)
		}
	}
	if len(d.out) == told {
		d.tell(path, crdt.TypeBounded, actionChange, nil)
	}
}

// given are rights that were given away.
type given struct {
	To   string `json:"to"`
	Up   uint64 `json:"up"`
	Down uint64 `json:"down"`
	to   clock.Origin
}

func (d *describer) ledger(path []string, before, after *crdt.Ledger) {
	up, down := after.Up-before.Up, after.Down-before.Down
	if up != down {
		by := new(big.Int).SetUint64(up)
		d.tell(path, crdt.TypeBounded, actionAdd, by.Sub(by, new(big.Int).SetUint64(down)))
	}
	for _, g := range after.Given {
		for _, old := range before.Given {
			if old.To == g.To {
				g.Up, g.Down = g.Up-old.Up, g.Down-old.Down
			}
		}
		if g.Up > 0 || g.Down > 0 {
			d.tell(path, crdt.TypeBounded, actionTransfer, given{jsonOrigin(g.To), g.Up, g.Down, g.To})
		}
	}
}

// proposals tells what was proposed, and the verdicts with what they are on.
func (d *describer) proposals(path []string) {
	f := d.after.field(path, crdt.TypeProposal)
	for _, p := range f.Proposals() {
		if p.ID.Dot == d.dot {
			d.tell(path, crdt.TypeProposal, actionPropose, p.Value)
		}
	}
	for _, v := range f.GivenVerdicts() {
		if v.ID.Dot != d.dot {
			continue
		}
		told := described{path: path, kind: crdt.TypeProposal, action: actionDecline}
		if yes, _ := v.Value.(bool); yes {
			told.action = actionApprove
		}
		about := f
		if c, ok := d.past.changes[v.Of.Dot]; ok && v.Of.Dot != d.dot {
			m := newMoment(&c)
			m.join(&c)
			about = m.field(path, crdt.TypeProposal)
			told.of = &replaced{by: c.Author, at: c.Stamp, dot: c.Dot}
		}
		for _, p := range about.Proposals() {
			if p.ID == v.Of {
				told.value = p.Value
			}
		}
		d.out = append(d.out, told)
	}
}

// decidedOn names the changes whose proposals a change gives verdicts on.
func decidedOn(info *replica.ChangeInfo) (out []clock.Dot) {
	if info.Patch == nil {
		return nil
	}
	var m moment
	for i := range info.Patch.Kids {
		k := &info.Patch.Kids[i]
		if k.Key.Type != crdt.TypeProposal {
			continue
		}
		if m.Map == (crdt.Map{}) {
			m = newMoment(info)
			m.join(info)
		}
		for _, v := range m.field([]string{k.Key.Name}, crdt.TypeProposal).GivenVerdicts() {
			if v.Of.Dot != info.Dot {
				out = append(out, v.Of.Dot)
			}
		}
	}
	return out
}

func (d *describer) marks(path []string, patch *crdt.Patch) {
	for _, g := range patch.Grow {
		m, err := crdt.DecodeMark(g.Value)
		if err != nil {
			d.tell(path, crdt.TypeMark, actionChange, nil)
			continue
		}
		d.tell(path, crdt.TypeMark, actionSettle, settledTo{m.Number, m.Steward.String(), m.Policy, jsonVector(&m.Cut), m})
	}
}

func (d *describer) restamps(path []string, patch *crdt.Patch) {
	for _, g := range patch.Grow {
		x, err := crdt.DecodeRestamp(g.Value)
		if err != nil {
			d.tell(path, crdt.TypeRestamp, actionChange, nil)
			continue
		}
		d.tell(path, crdt.TypeRestamp, actionRestamp, moved{jsonOrigin(x.Origin), x.From, x.To, x.Back.String(), x})
	}
}

// jsonVector is a version vector by origins in full.
func jsonVector(v *clock.VersionVector) map[string]uint64 {
	out := map[string]uint64{}
	for o, n := range v.All() {
		out[jsonOrigin(o)] = n
	}
	return out
}
