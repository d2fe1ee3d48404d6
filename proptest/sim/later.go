package sim

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// laterRecord has what only a later version of the program knows.
const laterRecord = "notes/later"

// laterType and laterShape are not known to this version.
const (
	laterType  crdt.Type  = 99
	laterShape crdt.Shape = 77
)

// later is a change that a device of a later version wrote.
type later struct {
	at      dotName
	encoded []byte
	waits   bool // it has a shape that nobody here can join
}

// meetLater has a device take over a change from one of a later version of the
// program: with a type that this one does not know, which it joins all the same,
// or with a shape, so that the change must wait.
func (f *fleet) meetLater(d *device) {
	if d.replica == nil || len(d.suspect) > 0 {
		return
	}
	// The device is met once: what it wrote may be gone again with d's disk.
	o := clock.Origin{Replica: clock.ReplicaID{0xee, byte(len(f.later))}, Incarnation: 1 + f.rand.Uint64()>>1}
	x := later{at: dotName{"notes", clock.Dot{Origin: o, N: 1}}, waits: f.chance(2) == 0}
	e := crdt.Entry{ID: crdt.EntryID{Dot: x.at.dot}, Value: []byte{0xc3}}
	field := &crdt.Patch{Shape: crdt.Entries, Add: []crdt.Entry{e}}
	if x.waits {
		field = &crdt.Patch{Shape: laterShape}
	}
	c := &crdt.Change{Dot: x.at.dot, Stamp: clock.NewStamp(begin.Add(f.now), 0), Author: crdt.Author{Actor: "of a later version"}, Parts: []crdt.Part{{
		Key: "later", Birth: &crdt.Birth{},
		Patch: &crdt.Patch{Shape: crdt.Keyed, Kids: []crdt.PatchKid{{Key: crdt.Key{Name: "new", Type: laterType}, Patch: field}}},
	}}}
	x.encoded = c.Encode()
	in := session.Incoming{Dot: c.Dot, Encoded: x.encoded, Hash: crdt.HashOf(x.encoded), Before: crdt.ChainStart(x.at.scope, o)}
	in.Change, in.Unknown = crdt.DecodeChange(x.encoded)
	if x.waits != errors.Is(in.Unknown, crdt.ErrUnknownShape) || !x.waits && in.Unknown != nil {
		f.fail("what a later version wrote can be told from what is broken", []string{d.name}, laterRecord, "%v", in.Unknown)
		return
	}
	_, store, err := d.replica.NewSession(replica.SyncOptions{})
	if err != nil {
		d.failed("begin a session", err)
		return
	}
	r := session.Run(store, session.Command{Op: session.ApplyChanges{Intake: session.Intake{
		Peer: o, Scope: x.at.scope, Agreed: c.Stamp, Changes: []session.Incoming{in},
	}}})
	if r.Err != nil {
		d.failed("session", r.Err)
		return
	}
	f.say("%s takes %v of a later version: %v", d.name, c.Dot, r.Verdicts[0])
	if r.Verdicts[0].Outcome == session.Refused {
		return // it has no room, or was never told the time
	}
	f.counters.count(FaultLater)
	f.later = append(f.later, x)
	if _, known := f.records[laterRecord]; !known && !x.waits {
		f.records[laterRecord] = nil
	}
	d.changed(nil)
}

// waitsForLater reports whether a change may wait for ever: this version cannot
// join it.
func (f *fleet) waitsForLater(q *replica.Quarantined) bool {
	for _, x := range f.later {
		if x.at.scope == q.Scope && x.at.dot == q.Dot {
			return x.waits && q.Code == session.CodeUnknownShape
		}
	}
	return false
}

// checkLater wants what later versions wrote passed on byte for byte.
func (f *fleet) checkLater() {
	for _, x := range f.later {
		having := 0
		for _, d := range f.devices {
			_, store, err := d.replica.NewSession(replica.SyncOptions{})
			if err != nil {
				f.fail("no call fails without a reason", []string{d.name}, laterRecord, "%v", err)
				return
			}
			b, err := store.Changes(x.at.scope, []clock.Range{{Origin: x.at.dot.Origin, From: 1, To: 1}}, 1<<20)
			if err != nil {
				f.fail("what is there can be read", []string{d.name}, laterRecord, "%v", err)
				return
			}
			for _, c := range b.Changes {
				having++
				if !bytes.Equal(c.Encoded, x.encoded) {
					f.fail("what a later version wrote is passed on as it is", []string{d.name}, laterRecord, "%v is %x, and was %x", c.Dot, c.Encoded, x.encoded)
					return
				}
			}
		}
		if having != 0 && having != len(f.devices) {
			f.fail("what a later version wrote is passed on as it is", nil, laterRecord, "%v is on %d of %d devices", x.at.dot, having, len(f.devices))
		}
	}
}

// foreign is the first message of a device that speaks versions of the protocol
// that this build does not.
type foreign struct{}

func (foreign) Kind() string    { return "hello" }
func (foreign) Version() uint64 { return 1 }

// WriteFields implements [codec.Message].
func (foreign) WriteFields(w *codec.FieldWriter, _ uint64) {
	id := clock.ReplicaID{0xdd}
	w.Uint(1 << 20) // the oldest version
	w.Uint(1<<20 + 1)
	w.Uint(0) // capabilities
	w.Bytes(id[:])
	w.Uint(1) // incarnation
	w.Uint(0) // direction
	w.Bool(false)
	w.Bytes(make([]byte, len(crdt.Hash{})))
	w.Uint(uint64(clock.NewStamp(begin, 0)))
	w.Bytes(make([]byte, len(crdt.Hash{})))
	w.Uint(0) // scopes
	w.Bool(true)
	w.List(0)
	for _, limit := range []uint64{1 << 20, 1 << 20, 8, 1 << 20, 1 << 10, 0} {
		w.Uint(limit)
	}
}

// ReadFields implements [codec.Message].
func (foreign) ReadFields(*codec.FieldReader, uint64) {}

// meetForeign has a device meet one with which it has no version of the protocol
// in common. It must refuse, and say why to its own user and to the other's.
func (f *fleet) meetForeign(d *device) {
	if d.replica == nil {
		return
	}
	core, _, err := d.replica.NewSession(replica.SyncOptions{})
	if err != nil {
		d.failed("begin a session", err)
		return
	}
	b, err := codec.AppendEnvelope(nil, foreign{})
	if err != nil {
		panic(fmt.Sprintf("sim: the hello of another version: %v", err))
	}
	core.Start(d.time())
	core.Receive(codec.AppendFrame(nil, codec.Frame{Type: 1, Body: b}), d.time())
	var said []byte
	err = errUnfinished
	for {
		out, ok := core.Next()
		if !ok {
			break
		}
		switch out := out.(type) {
		case session.Send:
			said = append(said, out.Bytes...)
		case session.Closed:
			err = out.Err
		}
	}
	f.counters.count(FaultVersion)
	f.say("%s meets a device of another version: %v", d.name, err)
	if !errors.Is(err, session.ErrIncompatible) || !bytes.Contains(said, []byte("version")) {
		f.fail("another version of the protocol is refused with a reason", []string{d.name}, "", "the session ended with %v, and said %q", err, said)
	}
}
