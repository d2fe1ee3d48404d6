// Package crash hurts real stores and looks whether they lie: it kills the
// process that writes, takes the unsynced tail of its files away, turns bits and
// cuts files, and fills the disk.
//
// The writer is another process, since the engine below a store can end it. A
// program that wants to run [Run] gives the arguments that make it call [Child]
// ([Options.Self]); the tests of this package and concord crash both do.
//
// What must hold, whatever happened: no acknowledged change is lost; no name of a
// change stands for two contents, which a peer that synced before would notice;
// what is shown is what was written, or the damage is reported; and a store can
// be repaired from a peer.
package crash
