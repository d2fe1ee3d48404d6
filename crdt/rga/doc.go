// Package rga is the sequence engine under text and lists: an ordered set of
// elements that replicas insert into and delete from without coordination, and
// that ends in the same order everywhere.
//
// Four nouns:
//
//   - An element is a rune of a [Text] or a value of a [List]. Its [ID] is the
//     origin that inserted it and a number. An origin numbers its elements and
//     its deletions in one row, from 1, without holes, in each sequence apart.
//   - An [Op] is what travels: a run of elements inserted by one origin, or a
//     run of deletions. An insertion names the elements it was put between,
//     Left and Right, deleted ones included.
//   - A tombstone is an element that was deleted. It keeps its place and its
//     id; its content can be dropped (DropDeleted).
//   - A span is how a run of elements with consecutive numbers, neighbouring in
//     the sequence too, is held in memory: 28 bytes, however long it is.
//
// The state is the set of insertions and the set of deletions; join is union.
// The order of the elements is a function of the insertions alone: FugueMax
// (see place.go). Concurrent runs never interleave, whether they were typed
// forwards or backwards, by one replica or by several in turn.
//
// Ops of one origin are applied in the order of their numbers, and after the
// ops whose elements they name: otherwise Apply returns [ErrGap] and changes
// nothing. So what a sequence has seen is one number per origin (Version), and
// what another lacks is a suffix per origin (OpsSince).
//
// The caveat: Apply checks all that can be checked about one op, but Read
// trusts the stored order of the elements, which it must not recompute to be
// fast. Bytes from a stranger that decode give a sequence that works and may
// disagree with everybody else's. Join it into another one to check it.
//
// Sources: Weidner and Kleppmann, "The Art of the Fugue: Minimizing
// Interleaving in Collaborative Text Editing", IEEE TPDS 36(11), 2025 (the
// order); Gentle and Kleppmann, "Collaborative Text Editing with Eg-walker",
// EuroSys 2025 (spans in a B+tree, and how to compute the order by a scan).
package rga
