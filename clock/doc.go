// Package clock says what happened, in which order, and when.
//
// Four nouns:
//
//   - A [Dot] names one change for ever: the [Origin] that made it, and a number
//     that the origin counts from 1. An origin is a replica together with an
//     incarnation, the stretch of its life in which it surely remembers all that
//     it ever told anyone.
//   - A [VersionVector] is a set of dots without holes: for each origin
//     everything up to its last number, that number included.
//   - A [Context] is a set of dots with few holes: a version vector, and ranges
//     beyond it. Contexts are what two replicas compare to learn what each of
//     them lacks.
//   - A [Stamp] is a time of a hybrid logical clock, and an [HLC] gives stamps
//     out. Causality, which is dots and vectors, decides first; stamps only
//     order what is concurrent, and shield nobody from a wrong clock. See [Ahead]
//     for the bound on what a wrong clock elsewhere may do here.
//
// Numbers are inclusive, counted from 1, and zero means nothing: a vector that
// has no entry for an origin gives 0 for it, and a dot with number 0 names no
// change and is in no set.
//
// Everything is ordered, iterated and encoded in canonical order: by the bytes
// of the replica id, then the incarnation, then the number. Equal sets have
// equal encodings, and decoders accept no other. Encodings name origins by
// small numbers through a [Table], which is written in front of what uses it.
//
// Sets are values with slices inside. Assigning one shares them: copy with
// Clone. Several goroutines may read a set that nobody changes; a table belongs
// to one goroutine, and an HLC to all.
//
// The package is pure. It reads no wall clock, knows no storage and no network,
// and uses no randomness: time and durability come in as functions (see
// [NewHLC]), replica ids and incarnations are made by who owns the store.
package clock
