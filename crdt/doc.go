// Package crdt holds the data types, and the record that they live in.
//
// Four nouns carry it:
//
//   - A [Record] is fields under one version vector. What is applied to it is
//     always causally closed.
//   - A [Change] is what one replica did in one transaction. Its heads say what
//     the author's replica had applied, and gate delivery; what it supersedes
//     is what the actor saw, and decides what is concurrent.
//   - A [Patch] is the delta of a change: what it adds, and the names of what
//     it supersedes.
//   - A [State] is the lattice below: shapes under a causal context. Join knows
//     three shapes and no type, so a replica carries, joins and forwards fields
//     that it cannot read.
//
// Changes are made with a [RecordEditor] and taken over with [Record.Missing],
// [Record.Check] and [Record.Apply]. Replicas that applied the same changes have
// equal digests, whatever the order.
//
// Each type can also be used alone, without a record and without heads:
// [NewSet], [NewCounter], [NewRegister], [NewMap]. Their mutators return the
// delta, and Join takes deltas in any order and any number of times.
//
// The package is pure: no clock, no randomness, no I/O. It trusts nothing that
// it decodes.
//
// Structs whose fields are exported are data: what they point at is shared when
// they are copied, must not be modified once it was handed over, and may be read
// by several goroutines. Methods belong to one goroutine at a time, but where a
// type says otherwise.
package crdt
