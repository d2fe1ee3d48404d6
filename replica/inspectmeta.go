package replica

import (
	"encoding/hex"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// StoredMeta is what a row says about the store itself, or about a scope.
type StoredMeta struct {
	Name string // of the row, without what names the scope and the member
	// Member acknowledged, the last first, what the scope's steward may settle by.
	Member           clock.ReplicaID
	Acknowledgements []crdt.Acknowledgement
	// Settled is the settle mark to which all records of the scope are brought.
	Settled uint64
}

// decodeMeta reads a row about the store or a scope as far as it is known.
func (n *storedNames) decodeMeta(out *StoredRow, x row) error {
	name := string(x.key[1:])
	out.Meta = &StoredMeta{Name: name}
	if rest, ok := strings.CutPrefix(name, "ack/"); ok {
		return n.decodeAck(out, x, rest)
	}
	if rest, ok := strings.CutPrefix(name, finishedPrefix); ok {
		o, _, err := decodeFinished(x.key, x.value)
		if out.Meta.Name = "finished " + o.String(); err != nil {
			out.Meta.Name = "finished " + hex.EncodeToString([]byte(rest))
		}
		return err
	}
	if kind, scope, ok := strings.Cut(name, "/"); ok {
		out.Meta.Name, out.Scope = kind, scope
	}
	b, err := decodePlain(out.Kind, x.key, x.value)
	if err != nil || out.Meta.Name != "settled" {
		return err
	}
	r := codec.NewReader(b)
	out.Meta.Settled = r.Uvarint()
	return r.Close()
}

func (n *storedNames) decodeAck(out *StoredRow, x row, rest string) (err error) {
	out.Meta.Name = "ack"
	r := codec.NewReader([]byte(rest))
	out.Scope = n.scopes[r.Uint32()]
	copy(out.Meta.Member[:], r.Raw(len(out.Meta.Member)))
	if err := r.Close(); err != nil {
		out.Meta.Name = "ack " + hex.EncodeToString([]byte(rest))
		return err
	}
	out.Meta.Acknowledgements, err = decodeAcks(x.key, x.value)
	return err
}
