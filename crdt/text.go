package crdt

import (
	"fmt"

	"github.com/concord-crdt/concord/crdt/rga"
)

// TextField edits a text of a record.
//
// Every concurrent insertion stays, each run whole: runs that were typed at one
// place never interleave, forwards or backwards. A deletion removes what its
// author saw. Positions count Unicode code points of the text as it is now,
// with the edits of this change.
//
// An edit beside the one before costs O(1), elsewhere O(log n) in the runs of
// the text. [Editor.Undo] costs what the text weighs.
//
// Errors are the first one of the change: [rga.ErrRange] for a position outside of
// the text, [rga.ErrUTF8] for what is not UTF-8.
//
// Comes from an [Editor] or a [MapField], and is of use until its change ends.
// Not safe for concurrent use.
//
// Source: Weidner and Kleppmann, "The Art of the Fugue", 2023 (FugueMax).
type TextField struct{ at place }

// Insert inserts s before code point pos, or at the end if pos is Len. s must be
// valid UTF-8. Inserting nothing changes nothing.
func (f TextField) Insert(pos int, s string) error {
	if s == "" {
		return f.at.ed.err
	}
	t, err := f.at.openSequence()
	if err != nil {
		return err
	}
	if err := t.node.grown.seq.engine.(*rga.Text).Insert(t.handle, pos, s, nil); err != nil {
		return f.at.ed.fail(f.at.path, fmt.Errorf("insert at %d of %d: %w", pos, f.Len(), err))
	}
	return nil
}

// Append inserts s at the end.
func (f TextField) Append(s string) error { return f.Insert(f.Len(), s) }

// Delete deletes n code points from pos on, seen or not. Deleting none changes
// nothing.
func (f TextField) Delete(pos, n int) error {
	if n == 0 {
		return f.at.ed.err
	}
	t, err := f.at.openSequence()
	if err != nil {
		return err
	}
	if err := t.node.grown.seq.Delete(t.handle, pos, n, nil); err != nil {
		return f.at.ed.fail(f.at.path, fmt.Errorf("delete %d at %d of %d: %w", n, pos, f.Len(), err))
	}
	return nil
}

// Replace deletes n code points from pos on and inserts s there.
func (f TextField) Replace(pos, n int, s string) error {
	if err := f.Delete(pos, n); err != nil {
		return err
	}
	return f.Insert(pos, s)
}

// Len is the length in code points, as the text is now. O(1).
func (f TextField) Len() int {
	n := f.at.look()
	if n == nil {
		return 0
	}
	return n.grown.seq.Len()
}

// String is the content, as the text is now. O(bytes).
func (f TextField) String() string {
	n := f.at.look()
	if n == nil {
		return ""
	}
	return n.grown.seq.engine.(*rga.Text).String()
}
