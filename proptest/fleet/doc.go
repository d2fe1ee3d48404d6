// Package fleet runs scenarios against whole replicas: stores, clocks, sessions
// and bundles as an application has them, in one process.
//
// [Opener] makes the worlds for a [scenario.Runner]. Each replica is a
// [replica.Replica] of its own. It lives in memory, or in a directory where the
// scenario restarts or restores one. A sync is a session over a pipe, in one
// direction. A delta, a state and whatever else is delivered is a bundle, the
// very bytes that [replica.Replica.Export] writes.
//
// The objects of a scenario are the fields of one record.
package fleet
