package crdt

import (
	"slices"

	"github.com/concord-crdt/concord/clock"
)

// Heads are those of the record that is edited, as far as the actor saw them.
func (e *RecordEditor) Heads() []clock.Dot {
	return slices.DeleteFunc(slices.Clone(e.rec.Heads()), func(d clock.Dot) bool { return !e.sees(Entry{ID: EntryID{Dot: d}}) })
}
