// Package replay runs recorded editing sessions again, each agent of a trace as
// a replica of its own, and compares every text with the one that the recording
// ended with.
//
// The rule that makes it a test: a transaction is applied by its agent when the
// agent has exactly what the recording says that it had, the histories of the
// transaction's parents, and nothing else. Its positions are right in that text
// and in no other. So whoever applies a change too early, too late, or in
// another place than everybody else is found out by the next position, or by
// the text in the end.
//
//   - [Memory] hands changes from record to record: the data types without
//     store and network.
//   - [Network] gives each agent a store of its own in a directory of its own.
//     Changes travel over live sessions on loopback TCP, by way of a hub.
//
// In both, a newcomer who saw nothing takes over everything in the end, and its
// text is compared too.
package replay
