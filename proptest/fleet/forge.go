package fleet

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/proptest/scenario"
	"github.com/concord-crdt/concord/replica/session"
)

// laterHead is a bundle's head in a version of the form to come.
type laterHead struct {
	session.BundleHead
	version uint64
}

// Version is the version to come.
func (h *laterHead) Version() uint64 { return h.version }

// Later returns the bundle with the head of a later version, which is where a
// reader finds the version.
func (w *world) Later(message []byte, versions int) ([]byte, error) {
	var out []byte
	head := &laterHead{}
	for f, err := range codec.Frames(bytes.NewReader(message), 0) {
		if err == nil && out == nil {
			if err = codec.DecodeEnvelope(f.Body, &head.BundleHead, len(f.Body)); err == nil {
				head.version = head.BundleHead.Version() + uint64(versions)
				f.Body, err = codec.AppendEnvelope(nil, head)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("fleet: a later version: %w", err)
		}
		out = codec.AppendFrame(out, f)
	}
	return out, nil
}

// Poison hands over a change of somebody unknown whose stamp is the last that
// there is. The answer must be that it waits for its time.
func (w *world) Poison(to string) error {
	n := w.nodes[to]
	if n == nil {
		return fmt.Errorf("fleet: no replica %s", to)
	}
	bundle, err := forged()
	if err != nil {
		return err
	}
	report, err := n.r.Import(background(), bytes.NewReader(bundle))
	if err != nil {
		return err
	}
	for _, i := range report.Items {
		if errors.Is(i.Err(), session.ErrClockAhead) {
			return fmt.Errorf("%w: %w", scenario.ErrRefused, i.Err())
		}
	}
	return fmt.Errorf("fleet: a change with stamp %v was taken: %+v", clock.MaxStamp, report.Verdicts)
}

// forged is a bundle with one change of the record, stamped at the top of the
// range.
func forged() ([]byte, error) {
	author := clock.Origin{Replica: clock.ReplicaID{0xff}, Incarnation: 1}
	dot := clock.Dot{Origin: author, N: 1}
	edit := new(crdt.Record).Edit(recordKey, crdt.EditOptions{Dot: dot})
	if err := edit.Register("r").Set("from the end of time"); err != nil {
		return nil, err
	}
	part, _, err := edit.Part(false)
	if err != nil {
		return nil, err
	}
	c := crdt.Change{Dot: dot, Stamp: clock.MaxStamp, Parts: []crdt.Part{part}}
	var out bytes.Buffer
	b, err := session.NewBundleWriter(&out, session.BundleHead{From: author, Wall: clock.MaxStamp})
	if err != nil {
		return nil, err
	}
	err = b.Write(collection, []session.Change{{Dot: dot, Encoded: c.Encode(), Before: crdt.ChainStart(collection, author)}})
	if err := errors.Join(err, b.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
