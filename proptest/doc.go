// Package proptest checks that types and merge rules converge, and that they
// mean what their makers say. It is for those who write their own.
//
//   - A [Type] is a small description of a data type: how to make an empty state,
//     what users do, how deltas and states are joined, what is shown. [Check]
//     holds it against every law on random histories of several replicas:
//     deltas that are lost, late, doubled and out of order, states that come back,
//     restarts, clocks that disagree. [CheckLattice], [CheckDelta],
//     [CheckRoundTrip] and [CheckView] look at some of the laws.
//   - An [Invariant] is what must hold of a value whatever happens: "no item of
//     the cart is lost". A [Type] has a Specification, too, that says what a set
//     of operations means when they are applied in one place.
//   - A [Rule] is a merge rule: steps of package merge, or a key, a comparator or
//     any function over the candidates of a register. [CheckRule] finds rules that
//     depend on anything but the set of candidates. [CheckPolicy] looks at all
//     rules of a policy, and finds the cases that its decision matrix leaves open.
//   - [Records] makes a [Type] of the records of a policy, to search them for a
//     violation of an invariant.
//
// What is found is a [Failure]: the shortest history that still breaks the law,
// told line by line, and a scenario file of it where the format of package
// scenario has words for it.
//
// # What is and is not assumed
//
// Nothing about delivery: deltas come in any order, any number of times, mixed
// with whole states, to replicas that have written something themselves. A type
// that needs causes before effects says so by Type.Causal.
//
// Everything about purity: a history is played many times over, and a type that
// asks a wall clock or a random source is told so, see [Replica.Now].
//
// A search is a function of the description and of [Options], so a seed that is
// printed finds the same history again. Passing it proves nothing; the broken
// types and rules that the package's own tests keep are each found within 1,000
// histories.
//
// Properties are drawn and shrunk by gopter, which no signature shows. The
// package builds for GOOS=js GOARCH=wasm. Its functions may be called by several
// goroutines at once if those of the description may.
//
// Source: Hughes, "QuickCheck Testing for Fun and Profit", PADL 2007, for
// shrinking; Gomes et al., "Verifying Strong Eventual Consistency in Distributed
// Systems", OOPSLA 2017, for what convergence asks of operations that did not see
// each other; Almeida, Shoker and Baquero, "Delta State Replicated Data Types",
// 2018, for the laws of deltas.
package proptest
