// Package scenario reads, writes and runs convergence scenarios: short
// distributed histories with their allowed outcomes, kept as JSON files that
// any implementation can run.
//
// A file holds a group of scenarios ([File], [Parse], [Format]). Each
// [Scenario] names replicas, performs [Step] after step on them (edits, clock
// movements, deliveries, partitions, restarts) and ends with what must hold
// ([Expect]). The parser is strict: a step that it does not know, a parameter
// that the step does not have, or a name that nothing declared is an error that
// says where it stands and what to do. The writer is canonical, one step a
// line, so that a counter-example found by a property test can be written as a
// scenario, read by a person and kept in a repository.
//
// A [Runner] drives an implementation through [Opener], [World] and [Replica],
// which an adapter over real replicas implements in a few lines a method; package
// proptest/fleet is one, over whole replicas of Concord. What
// a world may lack (rich text, undo, policies, a disk to fill) stands behind
// small optional interfaces and a [Capability] each; a scenario that needs more
// than the world can do is skipped, with the reason.
//
// Beside the steps themselves the runner checks what holds for every history:
// a message delivered again changes nothing, a failed operation changes
// nothing, a sync changes nothing at its source, a restart changes nothing
// (unless a restored past is repaired, or clocks differ, so that a change which
// waits for its time may find that it has come), and with permute_ids no outcome
// hangs on which replica has the smaller id.
//
// The package is pure: no clock, network, store or randomness of its own. A run
// is a function of the scenario and the world. Scenarios, steps, expectations and
// results are data, which several goroutines may read while nobody modifies it.
package scenario
