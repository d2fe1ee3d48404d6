package rga

import (
	"iter"
	"strings"
	"unicode/utf8"
)

// Text is a sequence of runes.
//
// Concurrent insertions at one place all stay, each run whole; their order is
// that of FugueMax (see the package). A deletion removes the runes that its
// author saw; what others insert between them stays.
//
// With s spans (runs that were typed in one go; a paper of 100,000 characters
// that took 260,000 keystrokes has 12,000): an edit at the place of the one
// before it is O(1), elsewhere O(log s); likewise the ops of others, if nothing
// was inserted at their place concurrently. A span takes some 45 bytes, beside
// the UTF-8 of the text.
//
// Positions and lengths count runes (Unicode code points); Index converts.
//
// Not safe for concurrent use, except that methods that only read may run
// together. Make one with NewText.
type Text struct{ sequence }

// NewText returns an empty text.
func NewText() *Text { return &Text{newSequence(false)} }

// Insert inserts text before rune pos, or at the end if pos is Len.
//
// The op that was made is appended to ops unless it is nil; it shares the
// memory of text. An empty text makes none.
//
// At the place of the edit before it a keystroke takes some 100 ns and
// allocates nothing beyond the growth of what holds it (BenchmarkLocal). A
// paste is O(bytes).
//
// Errors are [ErrHandle], [ErrRange], [ErrUTF8] and [ErrLimit]; nothing changes
// then.
func (t *Text) Insert(h Handle, pos int, text string, ops *[]Op) error {
	runes, utf16, ok := measure(text)
	if !ok {
		return ErrUTF8
	}
	if h.n == 0 || int(h.n) > len(t.origins) {
		return ErrHandle
	}
	if runes > MaxSeq || t.origins[h.n-1].buf.Len()+len(text) > MaxContent {
		return ErrLimit
	}
	if runes == 0 {
		if pos < 0 || pos > t.Len() {
			return ErrRange
		}
		return nil
	}
	d := sums{vis: uint32(runes)}
	wide := uint32(0)
	if len(text) != runes {
		wide = spanWide
		d.utf16, d.bytes = uint32(utf16-runes), uint32(len(text)-runes)
	}
	in, err := t.insert(h, pos, uint32(runes), wide, d)
	if err != nil {
		return err
	}
	t.origins[h.n-1].addText(uint32(in.first), text, runes, utf16)
	if ops != nil {
		op := t.insertOp(in, runes)
		op.Text = text
		*ops = append(*ops, op)
	}
	return nil
}

// Join adds what other has and t lacks, and reports the changes as Apply does.
// The texts are equal afterwards if other had seen all that t had.
//
// It checks everything that Apply checks. An error ends it: what was applied
// before it stays.
func (t *Text) Join(other *Text, emit func(Edit)) error {
	return t.join(&other.sequence, emit)
}

// LenUTF16 returns the length in UTF-16 code units. O(1).
func (t *Text) LenUTF16() int { return int(t.total.vis) + int(t.total.utf16) }

// LenBytes returns the length in bytes of UTF-8. O(1).
func (t *Text) LenBytes() int { return int(t.total.vis) + int(t.total.bytes) }

// String returns the text. O(bytes + spans).
func (t *Text) String() string {
	var b strings.Builder
	b.Grow(t.LenBytes())
	for part := range t.Chunks(0, t.Len()) {
		b.WriteString(part)
	}
	return b.String()
}

// Slice returns the runes from position from to position to-1. It returns
// [ErrRange] if these are not within the text.
//
// O(log spans + what it returns).
func (t *Text) Slice(from, to int) (string, error) {
	if from < 0 || from > to || to > t.Len() {
		return "", ErrRange
	}
	var b strings.Builder
	for part := range t.Chunks(from, to) {
		b.WriteString(part)
	}
	return b.String(), nil
}

// At returns the rune at position pos, or false if there is none.
func (t *Text) At(pos int) (rune, bool) {
	if pos < 0 || pos >= t.Len() {
		return 0, false
	}
	p := t.visibleAt(uint32(pos))
	k := t.leaves[p.leaf].first[p.span] + key(p.off)
	text, _ := t.origins[k>>32].text(uint32(k), 1)
	r, _ := utf8.DecodeRuneInString(text)
	return r, true
}

// Chunks yields the runes from position from to position to-1 in pieces that
// share the memory of the text, without copying; their number is at most that
// of the spans. Positions outside of the text are moved to its ends. The text
// must not be changed meanwhile.
func (t *Text) Chunks(from, to int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k, n := range t.visible(from, to) {
			part, _ := t.origins[k>>32].text(uint32(k), n)
			if !yield(part) {
				return
			}
		}
	}
}
