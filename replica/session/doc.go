// Package session is the protocol by which two replicas exchange changes, as a
// state machine without goroutines, clocks or I/O: see [Core]. The store on
// either side is a [Store]; a thin loop in package replica drives the core over
// any ordered stream of bytes.
//
// # The protocol on one page
//
// A message is one frame of package codec (length, type, flags, body, CRC32C);
// a status or a chunk may go on over several frames. Both sides do the same,
// there is no client and no server.
//
//	hello         versions, who, direction, live or not, digest of the policy,
//	              wall clock, digest of the status, scopes wished, limits
//	summary       digests of groups of scopes, where there are many
//	status        per scope: stored clock, digest of the applied clock,
//	              fingerprint, and the chain digest of each of the reader's own
//	              origins at the last number held
//	chain query   chain digests of the asker's own origins at some numbers
//	chain answer
//	chunk         changes of one scope, each origin's in dot order, with the
//	              chain digest before the first
//	ack           a verdict for each change of a chunk, once they are durable
//	want          records whose changes are no longer kept
//	fragments     these records, in pieces
//	caught up     nothing more to send, as far as your status tells
//	ping          I am here
//	bye           the end, and why
//
// Hello: both sides say hello at once. If the digests of their statuses are
// equal they hold the same, and say bye: one round trip, less than 150 bytes each
// way (TestNothingToDo).
//
// Difference: else both send their status. Where there are more than 64 scopes
// they first send digests of groups of scopes, and then the status of those in
// groups that differ: of ten thousand scopes with one change some 9 kB each way
// instead of 500 (TestManyScopes). What one side has stored and the other has
// not is what it sends; scopes of the highest class first. Equal applied clocks
// with different fingerprints raise an alarm.
//
// First contact: before a side sends its first chunk it compares what the peer
// states of its own origins with its own chains. Where its own is missing or
// differs at that place it has lost its past (a restored backup, a cloned
// disk). It searches the last common number by chain queries, has the store
// issue everything after it again under a new incarnation, and sends a new
// status, which replaces the one before. The peer sends nothing of these
// origins until it has seen that the check is done: by a second status, a chunk
// or a caught up.
//
// Transfer: chunks carry whole changes, each with some two bytes beyond what it
// takes itself (BenchmarkTransfer), up to a budget that follows the link: it
// doubles when an acknowledgement takes less than half a second longer than the
// fastest did, and halves when it takes more than two. At most four budgets are
// in flight, on slow links two. The receiver checks that each origin's changes follow, by the
// hash chain, what it holds, gives the sound ones to its store and acknowledges
// them when they are durable. Each change has its own [Verdict]: a refused one
// stops its origin for this session, and nothing else. Waiting and rejected
// changes are durable, and count as received.
//
// Fragments: of settled changes a store may have kept husks alone, which travel
// in their places and prove the chain. Who took one asks for the records that
// husks name, some at a time, and the sender answers with their stored forms, cut
// to the budget of a chunk and acknowledged like one. The receiver's store keeps
// what came, joins all of them once nothing is missing, and asks for the rest in the
// next session if this one is cut. All entries of a record travel, also those that
// the receiver has.
//
// End: caught up names the round of the status that it answers. When both sides
// are, they say bye; or they stay, if both are live, and push what is new as the
// store tells of it. What came from the peer is never sent back to it.
//
// A session may be cut at any byte. There is nothing to resume: in the next one
// the clocks say what is there, and at most the chunks in flight are sent again.
//
// # Versions
//
// Each side says the oldest and the latest version of the protocol that it
// speaks; the latest common one counts. The hello itself is always written in
// its first form. A frame of an unknown type is skipped if it is marked
// ignorable, else it ends the session. Changes are carried as bytes: one that a
// receiver cannot join it can still store and forward.
//
// # Use
//
// A [Core] belongs to one goroutine, a [Store] to several. All other types are data:
// copies share what they point at, which nobody modifies once it was handed over.
//
// # Trust
//
// A session believes that the peer is who the channel says it is. Whatever it
// sends, memory stays within the limits of the [Config] and the state within
// what the store accepts; but a peer that lies about chain digests can make a
// replica issue its own changes again, under another incarnation.
package session
