// Package model runs fleets of replicas through random histories, and compares
// what they end with against a specification.
//
// One seed drives everything: who writes what and having seen what, which
// sessions happen, what is reordered, delivered twice or cut off, when a
// process restarts, when a directory is restored from a copy or cloned. The
// records and changes are those of package crdt; clocks, waiting changes, chain
// digests and reissues follow the model as package replica does, in memory and
// without a store, so that a thousand histories cost about a second.
//
// At the end all replicas meet until nothing moves. [Run] then wants equal
// clocks, digests, heads and views; every acknowledged write there once and
// under one name; and the values that the specification computes from what each
// actor did and saw, without a record.
//
// Each [Rule] of the model can be taken out of the simulated replicas. That some
// history then fails shows that the rule is needed and that the simulation
// would notice its loss.
package model
