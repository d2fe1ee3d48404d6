package replica

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
)

// ErrLost means that the store no longer has what it acknowledged.
var ErrLost = errors.New("replica: acknowledged changes are lost")

// errMissing is the fault of a row that is not there. It is not [ErrNotFound]:
// the record is, or was.
var errMissing = errors.New("it is missing")

// Damage is one thing that the store does not have as it was written. Nothing
// is shown that rests on it.
type Damage struct {
	Row    string // the kind of row, or "store" for the whole of it
	Key    []byte // of the row; nil if it is not known
	Scope  string // empty if it is not known
	Record string // the record it belongs to, where that is known
	Dot    clock.Dot
	Err    error
}

// Local reports whether the damage can be made good without a peer, from the
// changes that the store holds.
func (d Damage) Local() bool { return d.Row != "change" && d.Row != "store" }

// String says what is damaged, and what to do.
func (d Damage) String() string {
	what := d.Row + " row"
	switch {
	case d.Row == "store":
		what = "the store"
	case d.Record != "":
		what = fmt.Sprintf("%s of record %q", d.Row, d.Record)
	case !d.Dot.IsZero():
		what = fmt.Sprintf("change %v", d.Dot)
	}
	if d.Scope != "" {
		what += fmt.Sprintf(" in scope %q", d.Scope)
	}
	todo := "repair from a peer"
	if d.Local() {
		todo = "repair rebuilds it"
	}
	return fmt.Sprintf("%s: %v; %s", what, d.Err, todo)
}

func (d Damage) id() string {
	return d.Row + "\x00" + string(d.Key) + "\x00" + d.Scope + "\x00" + d.Record
}

// damaged notes what was found. The caller holds r.mu.
func (r *Replica) damaged(d Damage) {
	if r.damage == nil {
		r.damage = map[string]Damage{}
	}
	id := d.id()
	if _, ok := r.damage[id]; ok {
		return
	}
	r.damage[id] = d
	r.log.Error("stored data is damaged", "row", d.Row, "scope", d.Scope, "record", d.Record, "error", d.Err)
}

// Damage lists what was found damaged since the replica was opened, and was not
// repaired. It looks at nothing; [Replica.Verify] does.
func (r *Replica) Damage() []Damage {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return sortedDamage(r.damage)
}

func sortedDamage(m map[string]Damage) []Damage {
	list := make([]Damage, 0, len(m))
	for _, d := range m {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b Damage) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Row, b.Row), slices.Compare(a.Key, b.Key), cmp.Compare(a.Record, b.Record))
	})
	return list
}
