package crdt

import (
	"fmt"
	"strconv"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// again is a running total of the old origin that goes on under the new one: with
// what it had in the common past taken off.
type again struct {
	start  uint64  // of a counter's run under the new origin
	from   EntryID // the entry of the common past; zero if there is none
	run    run     // in the common past
	ledger ledger  // the same of a bounded counter
}

// totals are the running totals that one patch goes on with.
type totals map[*again]bool

// totalsOf finds what the totals that a patch adds at node n have in the common
// past.
func (x *Reissue) totalsOf(p *Patch, n *node, t Type, at string, d clock.Dot) (totals, error) {
	if t != TypeCounter && t != TypeBounded {
		return nil, nil
	}
	on := totals{}
	for _, e := range p.Add {
		key, _, err := totalIn(e, t, at)
		if err != nil {
			return nil, err
		}
		if key == "" {
			continue
		}
		if a := x.runs[key]; a != nil {
			on[a], x.totals[e.ID] = true, a
			continue
		}
		a := &again{start: d.N}
		for _, id := range p.Remove {
			old, found := n.lookup(id)
			if !found || id.Dot.Origin != x.old || id.Dot.N > x.after {
				continue
			}
			same, had, err := totalIn(old, t, at)
			if err != nil {
				return nil, err
			}
			if same == key {
				a.run, a.ledger, a.from = had.run, had.ledger, id
			}
		}
		x.runs[key], x.totals[e.ID], on[a] = a, a, true
		if !a.from.IsZero() {
			x.totals[a.from] = a
		}
	}
	return on, nil
}

// removed renames an entry that a patch supersedes. The total of the common past
// stays as long as one goes on from it: it is the old origin's, and others may
// have gone on from it too.
func (x *Reissue) removed(id EntryID, on totals) []EntryID {
	a := x.totals[id]
	lost := id.Dot.Origin == x.old && id.Dot.N > x.after
	switch {
	case a != nil && on[a] && !lost:
		return nil
	case a != nil && !on[a] && lost && !a.from.IsZero():
		return []EntryID{a.from, x.entry(id)}
	}
	id = x.entry(id)
	if _, known := x.metas.peek(id.Dot); !known {
		return nil // a settle mark took it away meanwhile
	}
	return []EntryID{id}
}

// totalIn reads an entry that holds running totals, and names what they are of;
// the name of another entry is empty.
func totalIn(e Entry, t Type, at string) (name string, a again, err error) {
	if t == TypeCounter {
		c, err := readCounter(e.Value)
		if err != nil || c.is {
			return "", a, err
		}
		return runName(at, c.run.start), again{run: c.run}, nil
	}
	b, err := readBoundedEntry(e)
	if err != nil || b.kind != boundedLedger {
		return "", a, err
	}
	return ledgerName(at, b.ledger.opening), again{ledger: b.ledger}, nil
}

func runName(at string, start uint64) string { return at + "\x00run" + strconv.FormatUint(start, 10) }

func ledgerName(at string, opening EntryID) string { return at + "\x00ledger" + opening.String() }

// lookup finds an entry of a node, superseded or not.
func (n *node) lookup(id EntryID) (Entry, bool) {
	if n == nil {
		return Entry{}, false
	}
	if i, found := n.find(id); found {
		return n.entries[i], true
	}
	if i, found := n.findKept(id); found {
		return n.kept[i].Entry, true
	}
	return Entry{}, false
}

var errTotalFell = fmt.Errorf("total fell: %w", codec.ErrMalformed)

// count turns a total of the old origin into one of the new, and what a reset
// observed of such totals into what it observed of both.
func (x *Reissue) count(e Entry, at string) ([]byte, error) {
	c, err := readCounter(e.Value)
	if err != nil {
		return nil, err
	}
	if !c.is {
		a := x.runs[runName(at, c.run.start)]
		if c.run.up < a.run.up || c.run.down < a.run.down {
			return nil, errTotalFell
		}
		return run{a.start, c.run.up - a.run.up, c.run.down - a.run.down}.encode(), nil
	}
	var seen []observed
	for _, o := range c.reset {
		a := x.runs[runName(at, o.start)]
		if o.origin != x.old || a == nil {
			seen = raise(seen, o)
			continue
		}
		if o.start <= x.after {
			seen = raise(seen, observed{x.old, run{o.start, min(o.up, a.run.up), min(o.down, a.run.down)}})
		}
		since := run{a.start, o.up - min(o.up, a.run.up), o.down - min(o.down, a.run.down)}
		if since.up > 0 || since.down > 0 || o.start > x.after {
			seen = raise(seen, observed{x.fresh, since})
		}
	}
	return encodeReset(seen), nil
}

// ledger turns the totals of the old origin under an opening into those of the
// new one.
func (x *Reissue) ledger(e Entry, at string) ([]byte, error) {
	b, err := readBoundedEntry(e)
	if err != nil || b.kind == boundedOpening {
		return e.Value, err
	}
	l := b.ledger
	if b.kind == boundedLedger {
		had := x.runs[ledgerName(at, l.opening)].ledger
		if l.up < had.up || l.down < had.down {
			return nil, errTotalFell
		}
		l.up, l.down = l.up-had.up, l.down-had.down
		given := l.given
		l.given = nil
		for _, g := range given {
			for _, h := range had.given {
				if h.to == g.to {
					if g.up < h.up || g.down < h.down {
						return nil, errTotalFell
					}
					g.up, g.down = g.up-h.up, g.down-h.down
				}
			}
			if g.up > 0 || g.down > 0 {
				l.given = append(l.given, g)
			}
		}
	}
	l.opening = x.entry(l.opening)
	if b.kind == boundedClaim {
		b.claim.seal = x.entry(b.claim.seal)
		b.claim.ledger = l
		return b.claim.encode(), nil
	}
	return l.encode(), nil
}
