package session

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// fakeStore holds chained changes in memory. The actor of a change tells what
// the store makes of it: "wait", "reject" and "refuse" do what they say.
type fakeStore struct {
	mu       sync.Mutex
	self     clock.Origin
	scopes   map[string]*fakeScope
	acks     []Acknowledgement
	spare    uint64 // the next incarnation
	reissues []ReissueChanges
	fail     map[string]error // by name of the method
	applied  map[string]int   // how often each dot was given to Apply
	broken   map[clock.Dot]bool
	onChange []func()
	agreed   clock.Stamp
}

const maxTestExtension = 60 << 10

type fakeScope struct {
	name  string
	class uint8
	rows  map[clock.Origin][]fakeRow
	tilt  bool // gives a wrong fingerprint

	applied clock.Context
	sum     crdt.Sum
}

type fakeRow struct {
	encoded []byte
	hash    crdt.Hash
	chain   crdt.Hash
	waits   bool
}

var _ Store = (*fakeStore)(nil)

func origin(name byte, incarnation uint64) clock.Origin {
	return clock.Origin{Replica: clock.ReplicaID{name}, Incarnation: incarnation}
}

func newFake(name byte) *fakeStore {
	return &fakeStore{
		self: origin(name, 1), spare: 100, scopes: map[string]*fakeScope{},
		applied: map[string]int{}, fail: map[string]error{}, broken: map[clock.Dot]bool{},
	}
}

// clone copies the store, as a backup does.
func (s *fakeStore) clone() *fakeStore {
	t := newFake(0)
	t.self, t.spare = s.self, s.spare
	for name, sc := range s.scopes {
		c := &fakeScope{name: name, class: sc.class, rows: map[clock.Origin][]fakeRow{}}
		for o, rows := range sc.rows {
			c.rows[o] = slices.Clone(rows)
		}
		c.recount()
		t.scopes[name] = c
	}
	return t
}

func (s *fakeStore) scope(name string) *fakeScope {
	sc := s.scopes[name]
	if sc == nil {
		sc = &fakeScope{name: name, class: 2, rows: map[clock.Origin][]fakeRow{}}
		s.scopes[name] = sc
	}
	return sc
}

func (sc *fakeScope) chainAt(o clock.Origin, n uint64) (crdt.Hash, bool) {
	if n == 0 {
		return crdt.ChainStart(sc.name, o), true
	}
	if rows := sc.rows[o]; n <= uint64(len(rows)) {
		return rows[n-1].chain, true
	}
	return crdt.Hash{}, false
}

func (sc *fakeScope) add(o clock.Origin, encoded []byte, waits bool) {
	before, _ := sc.chainAt(o, uint64(len(sc.rows[o])))
	h := crdt.HashOf(encoded)
	sc.rows[o] = append(sc.rows[o], fakeRow{encoded, h, crdt.Chain(before, h), waits})
	if !waits {
		sc.count(clock.Dot{Origin: o, N: uint64(len(sc.rows[o]))}, h)
	}
}

func (sc *fakeScope) count(d clock.Dot, h crdt.Hash) {
	sc.applied.Add(d)
	var wide [32]byte
	copy(wide[:], h[:])
	sc.sum.Add(wide)
}

// recount starts the sums anew, after rows were taken away.
func (sc *fakeScope) recount() {
	sc.applied, sc.sum = clock.Context{}, crdt.Sum{}
	for o, rows := range sc.rows {
		for i, r := range rows {
			if !r.waits {
				sc.count(clock.Dot{Origin: o, N: uint64(i) + 1}, r.hash)
			}
		}
	}
}

func change(d clock.Dot, key, actor string) *crdt.Change {
	return &crdt.Change{
		Dot: d, Stamp: clock.Stamp(d.N) + clock.Earliest, Author: crdt.Author{Actor: actor},
		Parts: []crdt.Part{{Key: key, Birth: &crdt.Birth{}}},
	}
}

// write makes one change of the store's own.
func (s *fakeStore) write(scope, key, actor string) clock.Dot {
	s.mu.Lock()
	sc := s.scope(scope)
	d := clock.Dot{Origin: s.self, N: uint64(len(sc.rows[s.self])) + 1}
	sc.add(s.self, change(d, key, actor).Encode(), actor == "wait")
	tell := slices.Clone(s.onChange)
	s.mu.Unlock()
	for _, f := range tell {
		f()
	}
	return d
}

func (s *fakeStore) writeMany(scope string, n int) {
	for i := range n {
		s.write(scope, fmt.Sprintf("%s/%d", scope, i), "ann")
	}
}

// writeBig makes a change of some size bytes.
func (s *fakeStore) writeBig(scope string, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc := s.scope(scope)
	c := change(clock.Dot{Origin: s.self, N: uint64(len(sc.rows[s.self])) + 1}, scope+"/big", "ann")
	for len(c.Extension) < maxTestExtension && len(c.Extension) < size {
		c.Extension = append(c.Extension, 'x')
	}
	for i := 0; i*400+len(c.Extension) < size; i++ {
		key := fmt.Sprintf("%s/big%03d%s", scope, i, strings.Repeat("x", 400))
		c.Parts = append(c.Parts, crdt.Part{Key: key, Birth: &crdt.Birth{}})
	}
	sc.add(s.self, c.Encode(), false)
}

// writeSeen makes a change that names many origins.
func (s *fakeStore) writeSeen(scope string, origins, serial int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc := s.scope(scope)
	c := change(clock.Dot{Origin: s.self, N: uint64(len(sc.rows[s.self])) + 1}, scope+"/seen", "ann")
	ref := []crdt.Ref{{Dot: clock.Dot{Origin: s.self, N: 1 << 40}}}
	var seen clock.VersionVector
	for n := range origins {
		seen.Set(origin('y', uint64(origins*serial+n)+1), 1)
	}
	c.Parts[0].Birth, c.Parts[0].Births, c.Parts[0].Delete = nil, ref, &crdt.Deletion{Births: ref, Seen: seen}
	sc.add(s.self, c.Encode(), false)
}

// has is how many changes of an origin the store has in a scope.
func (s *fakeStore) has(scope string, o clock.Origin) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sc := s.scopes[scope]; sc != nil {
		return len(sc.rows[o])
	}
	return 0
}

func (s *fakeStore) Status() (Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var st Status
	for _, name := range slices.Sorted(maps.Keys(s.scopes)) {
		sc := s.scopes[name]
		out := ScopeStatus{Name: name, Class: sc.class, Chains: map[clock.Origin]crdt.Hash{}}
		for o, rows := range sc.rows {
			if len(rows) > 0 {
				out.Stored.Set(o, uint64(len(rows)))
				out.Chains[o] = rows[len(rows)-1].chain
			}
		}
		out.Applied = sc.applied.Clone()
		w := codec.NewWriter(nil)
		sc.sum.Write(w)
		w.Bool(sc.tilt)
		out.Fingerprint = crdt.HashOf(w.Bytes())
		st.Scopes = append(st.Scopes, out)
	}
	return st, s.fail["status"]
}

func (s *fakeStore) Chains(scope string, o clock.Origin, ns []uint64) ([]ChainAt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]ChainAt, len(ns))
	for i, n := range ns {
		out[i].N = n
		if sc := s.scopes[scope]; sc != nil {
			out[i].Hash, out[i].Known = sc.chainAt(o, n)
		}
	}
	return out, s.fail["chains"]
}

func (s *fakeStore) Changes(scope string, ranges []clock.Range, maxBytes int) (Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b Batch
	sc := s.scope(scope)
	used := 0
	for _, r := range ranges {
		for n := r.From; n <= r.To; n++ {
			d := clock.Dot{Origin: r.Origin, N: n}
			if s.broken[d] || n > uint64(len(sc.rows[r.Origin])) {
				break
			}
			row := sc.rows[r.Origin][n-1]
			if len(b.Changes) > 0 && used+len(row.encoded) > maxBytes {
				b.Rest = append(b.Rest, clock.Range{Origin: r.Origin, From: n, To: r.To})
				break
			}
			before, _ := sc.chainAt(r.Origin, n-1)
			b.Changes = append(b.Changes, Change{Dot: d, Encoded: row.encoded, Before: before})
			used += len(row.encoded)
		}
	}
	return b, s.fail["changes"]
}

func (s *fakeStore) Apply(in Intake) ([]Verdict, error) {
	s.mu.Lock()
	s.agreed = in.Agreed
	if err := s.fail["apply"]; err != nil {
		s.mu.Unlock()
		return nil, err
	}
	sc := s.scope(in.Scope)
	vs := make([]Verdict, len(in.Changes))
	for i, c := range in.Changes {
		s.applied[in.Scope+c.Dot.String()]++
		o, rows := c.Dot.Origin, sc.rows[c.Dot.Origin]
		here, known := sc.chainAt(o, c.Dot.N-1)
		actor := ""
		if c.Change != nil {
			actor = c.Change.Author.Actor
		}
		switch {
		case c.Dot.N <= uint64(len(rows)):
			if vs[i].Outcome = Duplicate; rows[c.Dot.N-1].hash != c.Hash {
				vs[i] = Verdict{Refused, CodeFork, ""}
			}
			continue
		case !known:
			vs[i] = Verdict{Refused, CodeGap, ""}
			continue
		case here != c.Before:
			vs[i] = Verdict{Refused, CodeFork, ""}
			continue
		case c.Unknown != nil:
			vs[i] = Verdict{Waiting, CodeUnknownShape, "update the program"}
		case actor == "wait":
			vs[i] = Verdict{Waiting, CodeMissingHead, "needs another"}
		case actor == "reject":
			vs[i] = Verdict{Rejected, CodeNotEntitled, "by the cited policy"}
		case actor == "refuse":
			vs[i] = Verdict{Refused, CodeQuota, "full"}
			continue
		}
		sc.add(o, c.Encoded, vs[i].Outcome == Waiting)
	}
	tell := slices.Clone(s.onChange)
	s.mu.Unlock()
	for _, f := range tell {
		f()
	}
	return vs, nil
}

func (s *fakeStore) Wanted(string, string) ([]Want, error) { return nil, nil }

func (s *fakeStore) Fragments(string, []Want, int) (FragmentBatch, error) {
	return FragmentBatch{}, nil
}

func (s *fakeStore) Stage(Fragments) error { return nil }

func (s *fakeStore) Acknowledged(peer clock.Origin, scopes []Acknowledgement) error {
	s.acks = append(s.acks, scopes...)
	return nil
}

func (s *fakeStore) Reissue(scope string, o clock.Origin, common uint64) (clock.Origin, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reissues = append(s.reissues, ReissueChanges{scope, o, common})
	sc := s.scope(scope)
	if s.self == o {
		s.spare++
		s.self = clock.Origin{Replica: o.Replica, Incarnation: s.spare}
	}
	lost := sc.rows[o][min(common, uint64(len(sc.rows[o]))):]
	for _, r := range lost {
		ch, err := crdt.DecodeChange(r.encoded)
		if err != nil {
			return s.self, err
		}
		ch.Dot = clock.Dot{Origin: s.self, N: uint64(len(sc.rows[s.self])) + 1}
		sc.add(s.self, ch.Encode(), r.waits)
	}
	sc.rows[o] = slices.Clone(sc.rows[o][:len(sc.rows[o])-len(lost)])
	sc.recount()
	return s.self, s.fail["reissue"]
}

// digest is of everything that the store holds.
func (s *fakeStore) digest() crdt.Hash {
	st, _ := s.Status()
	return st.Sum()
}

// keys are those of the records of all changes.
func (s *fakeStore) keys() map[string]bool {
	keys := map[string]bool{}
	for _, sc := range s.scopes {
		for _, rows := range sc.rows {
			for _, r := range rows {
				keys[keyOf(r.encoded)] = true
			}
		}
	}
	return keys
}
