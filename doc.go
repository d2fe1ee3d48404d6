// Package concord is the front page of a CRDT replication framework for
// software that must keep working offline. It holds no code: the rooms below
// do.
//
// Every device holds a full replica in an embedded store, edits it without
// asking anyone, and converges with its peers by exchanging small states that
// join. Where "the last write wins" is not good enough (a dose, a stock count,
// an assignment), business rules decide, and decide the same on every replica:
// a rule is a pure function of replicated state, never of the order in which
// changes happened to arrive.
//
// # Rooms
//
// A package imports only what stands below it in this list.
//
//	cmd/concord   the program: flags in, calls, output
//	bench         measurements, beside those of peers
//	proptest      laws, generators, scenarios and simulators, for your types too
//	replica       the store, history, sync; the protocol core is replica/session
//	merge         schema, policies, conflicts, rules and approvals, as pure functions
//	crdt          the data types and the record; crdt/rga is the sequence engine
//	clock         hybrid logical clock, dots, version vectors, causal contexts
//	codec         bounded readers and writers of bytes
//
// The pure rooms (codec, clock, crdt, merge, the protocol core and the laws)
// know no network, store, wall clock, randomness or logger, and build for
// GOOS=js GOARCH=wasm. The whole module builds without cgo.
//
// # Where to start
//
// Read README.md, then docs/architecture.md for the rooms and the invariants,
// then docs/model.md for the few concepts that a user must know. The first page
// of each package is its doc.go, the second its example_test.go.
package concord
