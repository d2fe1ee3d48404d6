package crdt

import (
	"slices"
	"strconv"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt/rga"
)

// What the contents of entries name is renamed with the changes that they are of.

// entry renames an entry of a change that is issued again.
func (x *Reissue) entry(id EntryID) EntryID {
	if id.Dot.Origin == x.old && id.Dot.N > x.after {
		if ref, ok := x.refs[id.Dot.N]; ok {
			id.Dot = ref.Dot
		}
	}
	return id
}

// content renames what stands in a removable entry.
func (x *Reissue) content(e Entry, t Type, at string) ([]byte, error) {
	switch t {
	case TypeCounter:
		return x.count(e, at)
	case TypeBounded:
		return x.ledger(e, at)
	}
	return e.Value, nil
}

// grown renames what stands in an entry of a grown shape that is kept as it is.
// It may take two entries, or none.
func (x *Reissue) grown(t Type, e GrownEntry, d clock.Dot) ([]GrownEntry, error) {
	e.ID.Dot = d
	var err error
	switch t {
	case TypeProposal:
		e.Value, err = x.verdict(e.Value)
	case TypeVerdict:
		e.Value, err = x.ruling(e.Value)
	case TypeMark:
		return nil, nil
	case TypeRestamp:
		return x.restamp(e)
	}
	return []GrownEntry{e}, err
}

// verdict renames what a verdict is on, and what it replaces.
func (x *Reissue) verdict(value []byte) ([]byte, error) {
	e, err := readProposal(value)
	if err != nil || !e.verdict {
		return value, err
	}
	e.of = x.entry(e.of)
	for i, id := range e.replaces {
		e.replaces[i] = x.entry(id)
	}
	slices.SortFunc(e.replaces, EntryID.Compare)
	return e.encode(), nil
}

// restamp renames the part of a range that lies behind the common past.
func (x *Reissue) restamp(e GrownEntry) ([]GrownEntry, error) {
	r, err := DecodeRestamp(e.Value)
	if err != nil || r.Origin != x.old || r.To <= x.after {
		return []GrownEntry{e}, err
	}
	var out []GrownEntry
	if r.From <= x.after {
		common := r
		common.To = x.after
		out = append(out, GrownEntry{ID: EntryID{e.ID.Dot, x.next}, Value: common.Encode()})
		x.next++
		r.From = x.after + 1
	}
	r.Origin, r.From, r.To = x.fresh, r.From-x.after, r.To-x.after
	e.Value = r.Encode()
	return append(out, e), nil
}

// item renames the element of a list, whose node is n, that a value was set on.
func (x *Reissue) item(k Key, n *node) Key {
	if k.Type != TypeItem {
		return k
	}
	id, err := parseElementName(k.Name)
	common := uint64(0)
	if slots := n.kid(slotsKey); slots != nil {
		common = slots.grown.seq.Last(x.old)
	}
	if err != nil || id.Origin != x.old || id.Seq <= common {
		return k
	}
	return itemKey(rga.ID{Origin: x.fresh, Seq: id.Seq - common}).Key
}

// placeIn names a place in a record.
func placeIn(at string, k slot) string {
	return at + "\x00" + strconv.Quote(k.Name) + strconv.Itoa(int(k.Type))
}
