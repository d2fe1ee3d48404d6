// Package replica is a full copy of its data on one device: it is edited
// without asking anyone, survives a kill, and agrees with its peers when they
// meet.
//
// Four nouns carry it:
//
//   - A [Replica] is a store in a directory, open in one process at a time.
//   - A [Collection] holds records under keys. [Collection.Update] makes one
//     change to a record, [Replica.Transact] one change to several; a change
//     applies whole or not at all, here and on every peer.
//   - A [View] is a record as the application reads it, through the overlay of
//     its policy. It carries a [Version]: a write that cites it ([Record.Saw])
//     supersedes what was on the screen and nothing that arrived since.
//   - A scope is what a peer takes whole: a collection, or the part of one that
//     the policy partitions it by. Sessions ([Replica.Sync], [Replica.Serve],
//     [Replica.SyncConn]) exchange what the other side lacks, over any stream.
//
// Every change that was made here or received has exactly one [Fate]: applied,
// waiting for something that it names, or rejected for ever. None is dropped.
//
// Replica, Collection and what follows from them are safe for concurrent use;
// what is valid only inside a change says so. Structs whose fields are exported are
// data: copies share what they point at, which must not be modified once it was
// handed over.
//
// # What it costs
//
// A change writes two rows: itself, and the record's header. Writes that wait
// at the same time reach the disk together, with one header for each record and
// one tally for each scope. A record is written whole only when the changes since
// outweigh the last whole writing. Opening reads clocks, not records.
//
// What arrives costs what it applies: what waits is looked at when the change
// that it waits for is there, and changes go to a peer in the order in which they
// were applied here. All changes are kept, unless a settle mark has folded them and
// [Options.HistoryBytes] says how much of such is enough: without a decision that
// all replicas share, any peer may still ask for the first of them. A peer that
// lacks what was dropped is sent the records, which costs what these weigh, and
// memory for a few words of each change and the largest record.
//
// # What it survives
//
// Every row has a checksum over its key and value, every scope a tally of its
// records, and a file beside the store says how much was acknowledged: what is
// damaged or missing is [ErrCorrupt], never a value and never absence. Damage is
// listed ([Replica.Damage], [Replica.Verify]), stops no other record, and is
// repaired from a peer or from the changes that are here ([Replica.Repair]). A
// change's name is never used twice: a directory that was copied, restored or
// lost its end writes under a new incarnation. On a full disk reading goes on
// ([SpaceLimits]).
//
// A turned bit within a key of the engine's tables can outlast a repair in place,
// since no row that is written covers it; then [SetAside] and a peer help.
//
// Some damage cannot be caught: the engine may end the process, when its own
// goroutines meet a damaged table or another process takes the last bytes of the
// disk. What was acknowledged is there when it is opened again. A change that is
// damaged and that no peer has is lost, with what depends on it; later changes
// of that incarnation cannot be sent. Finished incarnations are not sealed yet,
// and stamps that ran ahead are not corrected yet.
//
// # What it does not do
//
// It is not consensus: until replicas have met, they may show different states.
// Links are not encrypted and peers not authenticated yet; serve on addresses
// that you trust.
package replica
