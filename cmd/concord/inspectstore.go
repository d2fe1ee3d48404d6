package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

// tallied is how many rows there are of some kind, and what they weigh.
type tallied struct{ rows, bytes, damaged uint64 }

func (t *tallied) add(x *replica.StoredRow) {
	t.rows++
	t.bytes += uint64(x.Bytes)
	if x.Err != nil {
		t.damaged++
	}
}

// inScope is what a scope holds.
type inScope struct {
	changes, bytes, records, deleted, waiting, rejected uint64
}

// survey goes over all rows of a store once.
type survey struct {
	kinds   map[string]*tallied
	scopes  map[string]*inScope
	damaged uint64
}

// store shows what is in a store's directory.
func (i *inspector) store(ctx context.Context, dir string) error {
	id, err := replica.IdentityIn(dir)
	if errors.Is(err, replica.ErrNotReplica) {
		return advise(&noStoreError{dir: dir}, "%s is no store: it holds no identity; name the directory of a store, or a file", shellQuote(dir))
	}
	if ferr := i.front(dir, id, err); ferr != nil {
		return ferr
	}
	encryption, err := i.storeKey()
	if err != nil {
		return err
	}
	s := survey{kinds: map[string]*tallied{}, scopes: map[string]*inScope{}}
	found := i.record == "" && i.scope == ""
	for x, err := range replica.StoredRows(ctx, dir, encryption) {
		if errors.Is(err, replica.ErrKey) {
			return advise(err, "the store %s is encrypted, by another key than --key gives", shellQuote(dir))
		}
		if locked, ok := errors.AsType[*replica.LockedError](err); ok {
			return advise(err, "the store %s is open in %s; stop that first", shellQuote(dir), process(locked.PID))
		}
		if err != nil {
			return err
		}
		s.add(&x)
		switch {
		case x.Err != nil:
			err = i.damagedRow(&x)
		case i.record != "" && i.concerns(&x):
			found = true
			err = i.row(&x)
		case i.record == "" && i.scope != "" && x.Scope == i.scope:
			found = true
			err = i.inScope(&x)
		}
		if err != nil {
			return err
		}
	}
	if !found {
		return s.missing(i)
	}
	if i.record == "" && i.scope == "" {
		if err := i.summary(&s); err != nil {
			return err
		}
	}
	if s.damaged > 0 {
		return fmt.Errorf("%s damaged; nothing is shown of them", rowsAre(s.damaged))
	}
	return nil
}

func rowsAre(n uint64) string {
	if n == 1 {
		return "1 row is"
	}
	return fmt.Sprintf("%d rows are", n)
}

// front says whose store it is; a damaged identity is no reason to stop.
func (i *inspector) front(dir string, id replica.Identity, err error) error {
	if i.flags.json {
		object := jsonIdentity(id)
		object["what"], object["path"] = "store", dir
		if err != nil {
			object["error"] = oneLine(err)
		}
		return i.printJSON(object)
	}
	i.printf("%s: a store\n", plain(dir))
	if err != nil {
		i.printf("  its identity cannot be read: %s\n", oneLine(err))
		return nil
	}
	i.printIdentity(id)
	return nil
}

func (s *survey) add(x *replica.StoredRow) {
	if s.kinds[x.Kind] == nil {
		s.kinds[x.Kind] = &tallied{}
	}
	s.kinds[x.Kind].add(x)
	if x.Err != nil {
		s.damaged++
	}
	if x.Scope == "" {
		return
	}
	if s.scopes[x.Scope] == nil {
		s.scopes[x.Scope] = &inScope{}
	}
	in := s.scopes[x.Scope]
	in.bytes += uint64(x.Bytes)
	switch {
	case x.Kind == "change":
		in.changes++
	case x.Record == crdt.ScopeKey:
	case x.Header != nil && x.Header.Live:
		in.records++
	case x.Header != nil:
		in.deleted++
	case x.Fate == replica.Waiting:
		in.waiting++
	case x.Fate == replica.Rejected:
		in.rejected++
	}
}

func (s *survey) missing(i *inspector) error {
	if i.record != "" {
		return advise(replica.ErrNotFound, "nothing of %s is in the store", plain(i.record))
	}
	names := slices.Sorted(maps.Keys(s.scopes))
	for n := range names {
		names[n] = plain(names[n])
	}
	return advise(replica.ErrNotFound, "there is no scope %s; the scopes are: %s", plain(i.scope), strings.Join(names, ", "))
}

func (i *inspector) summary(s *survey) error {
	for _, kind := range slices.Sorted(maps.Keys(s.kinds)) {
		t := s.kinds[kind]
		if i.flags.json {
			if err := i.printJSON(map[string]any{"what": "rows", "kind": kind, "rows": t.rows, "bytes": t.bytes, "damaged": t.damaged}); err != nil {
				return err
			}
			continue
		}
		line := fmt.Sprintf("  %-13s  %6d  %10s", kind+" rows", t.rows, showBytes(t.bytes))
		if t.damaged > 0 {
			line += fmt.Sprintf("  %d damaged", t.damaged)
		}
		i.printf("%s\n", line)
	}
	width := 0
	for name := range s.scopes {
		width = max(width, utf8.RuneCountInString(plain(name)))
	}
	for _, name := range slices.Sorted(maps.Keys(s.scopes)) {
		in := s.scopes[name]
		if i.flags.json {
			if err := i.printJSON(map[string]any{
				"what": "scope", "scope": name, "changes": in.changes, "records": in.records, "deleted": in.deleted,
				"waiting": in.waiting, "rejected": in.rejected, "bytes": in.bytes,
			}); err != nil {
				return err
			}
			continue
		}
		pad := strings.Repeat(" ", width-utf8.RuneCountInString(plain(name)))
		i.printf("  scope %s%s  %s, %s, %d deleted, %d waiting, %d rejected, %s\n", plain(name), pad,
			count(in.changes, "change"), count(in.records, "record"), in.deleted, in.waiting, in.rejected, showBytes(in.bytes))
	}
	return nil
}

// concerns reports whether a row is about the record that was asked for.
func (i *inspector) concerns(x *replica.StoredRow) bool {
	collection, key, _ := splitRecord(i.record) // was checked
	if of, _, _ := strings.Cut(x.Scope, "/"); of != collection || i.scope != "" && x.Scope != i.scope {
		return false
	}
	if x.Change == nil {
		return x.Record == key || x.Kind == "fate" && i.shown[x.Dot]
	}
	for n := range x.Change.Parts {
		if x.Change.Parts[n].Key == key {
			i.shown[x.Dot] = true
			return true
		}
	}
	return false
}

// inScope shows a row of a scope: its records, and what concerns the whole of it.
func (i *inspector) inScope(x *replica.StoredRow) error {
	switch {
	case x.Kind == "header" && x.Record != crdt.ScopeKey:
		return i.recordLine(x)
	case x.Change != nil && slices.ContainsFunc(x.Change.Parts, func(p crdt.Part) bool { return p.Key == crdt.ScopeKey }):
		return i.showWhole(x.Change, "", x.Bytes, x.Fate, "  ")
	case x.Meta == nil:
		return nil
	case i.flags.json:
		return i.printJSON(jsonRow(x))
	}
	switch x.Meta.Name {
	case "ack":
		for n := range x.Meta.Acknowledgements {
			a := &x.Meta.Acknowledgements[n]
			i.printf("  replica %v acknowledged %s\n", x.Meta.Member, a.Applied.String())
		}
	case "settled":
		i.printf("  all records are folded by settle mark %d\n", x.Meta.Settled)
	default:
		i.printf("  a row %s about the scope, %s\n", plain(x.Meta.Name), showBytes(uint64(x.Bytes)))
	}
	return nil
}

// recordLine is a record in the list of a scope.
func (i *inspector) recordLine(x *replica.StoredRow) error {
	h := x.Header
	if i.flags.json {
		return i.printJSON(jsonRow(x))
	}
	state := ""
	if !h.Live {
		state = "  deleted"
	}
	i.printf("  %s  digest %x  snapshot %s, changes since %s%s\n", plain(x.Record), h.Digest[:4], showBytes(h.SnapshotBytes), showBytes(h.TailBytes), state)
	return nil
}

// row shows a row with what is in it.
func (i *inspector) row(x *replica.StoredRow) error {
	if i.flags.json {
		if err := i.printJSON(jsonRow(x)); err != nil || x.Change == nil {
			return err
		}
		return i.showWhole(x.Change, x.Scope, x.Bytes, x.Fate, "")
	}
	i.printf("%s row %x, %s\n", x.Kind, x.Key, showBytes(uint64(x.Bytes)))
	switch h := x.Header; {
	case x.Change != nil:
		i.printf("  entered as number %d\n", x.Seq)
		return i.showWhole(x.Change, x.Scope, x.Bytes, x.Fate, "  ")
	case h != nil:
		state := "exists"
		if !h.Live {
			state = "is deleted"
		}
		i.printf("  record %s %s\n  digest   %x\n", plain(x.Record), state, h.Digest)
		i.printf("  vector   %s\n  heads    %s\n  births   %s\n", h.Vector.String(), dotNames(h.Heads), dotNames(h.Births))
		i.printf("  last change entered as number %d\n", h.LastSeq)
		if h.SnapshotSeq > 0 {
			i.printf("  snapshot of %s, up to number %d; changes since: %s\n", showBytes(h.SnapshotBytes), h.SnapshotSeq, showBytes(h.TailBytes))
		}
	case x.Kind == "fate":
		i.printf("  change %s is %v: %s\n", jsonDot(x.Dot), x.Fate, defuse(x.Reason))
	case x.Kind == "snapshot":
		i.printf("  a part of the record as it was at number %d\n", x.Seq)
	}
	return nil
}

func (i *inspector) damagedRow(x *replica.StoredRow) error {
	if i.flags.json {
		return i.printJSON(jsonRow(x))
	}
	i.printf("  damaged: %s row %x in %s: %s\n", x.Kind, x.Key, plain(x.Scope), oneLine(x.Err))
	return nil
}

func jsonRow(x *replica.StoredRow) map[string]any {
	out := map[string]any{"what": "row", "kind": x.Kind, "key": fmt.Sprintf("%x", x.Key), "bytes": x.Bytes, "scope": x.Scope}
	if x.Record != "" {
		out["record"] = x.Record
	}
	if !x.Dot.IsZero() {
		out["dot"] = jsonDot(x.Dot)
	}
	if x.Fate != 0 {
		out["fate"] = x.Fate.String()
	}
	if x.Seq != 0 {
		out["seq"] = x.Seq
	}
	if x.Reason != "" {
		out["reason"] = x.Reason
	}
	if m := x.Meta; m != nil {
		out["name"] = m.Name
		if m.Settled > 0 {
			out["settled"] = m.Settled
		}
		if len(m.Acknowledgements) > 0 {
			acks := []map[string]uint64{}
			for n := range m.Acknowledgements {
				acks = append(acks, jsonVector(&m.Acknowledgements[n].Applied))
			}
			out["member"], out["acknowledged"] = m.Member.String(), acks
		}
	}
	if h := x.Header; h != nil {
		out["header"] = map[string]any{
			"exists": h.Live, "digest": fmt.Sprintf("%x", h.Digest), "last_seq": h.LastSeq, "snapshot_seq": h.SnapshotSeq,
			"snapshot_bytes": h.SnapshotBytes, "tail_bytes": h.TailBytes, "heads": jsonDots(h.Heads), "births": jsonDots(h.Births),
		}
	}
	if x.Err != nil {
		out["error"] = oneLine(x.Err)
	}
	return out
}
