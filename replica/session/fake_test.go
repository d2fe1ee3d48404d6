package session

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"sync"
	"testing"
	"time"

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
	spare    uint64 // the next incarnation
	reissues []ReissueChanges
	fail     map[string]error // by name of the method
	applied  map[string]int   // how often each dot was given to Apply
	broken   map[clock.Dot]bool
	onChange []func()
}

type fakeScope struct {
	name  string
	class uint8
	rows  map[clock.Origin][]fakeRow
	tilt  bool // gives a wrong fingerprint
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

func (s *fakeStore) Status() (Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var st Status
	for _, name := range slices.Sorted(maps.Keys(s.scopes)) {
		sc := s.scopes[name]
		out := ScopeStatus{Name: name, Class: sc.class, Chains: map[clock.Origin]crdt.Hash{}}
		var sum crdt.Sum
		for o, rows := range sc.rows {
			if len(rows) == 0 {
				continue
			}
			out.Stored.Set(o, uint64(len(rows)))
			out.Chains[o] = rows[len(rows)-1].chain
			for i, r := range rows {
				if !r.waits {
					out.Applied.Add(clock.Dot{Origin: o, N: uint64(i) + 1})
					var h [32]byte
					copy(h[:], r.hash[:])
					sum.Add(h)
				}
			}
		}
		w := codec.NewWriter(nil)
		sum.Write(w)
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
	sc.rows[o] = slices.Clone(sc.rows[o][:uint64(len(sc.rows[o]))-uint64(len(lost))])
	return s.self, s.fail["reissue"]
}

// digest is of everything that the store holds.
func (s *fakeStore) digest() crdt.Hash {
	st, _ := s.Status()
	return st.Sum()
}

// side is one core with its store, in a test without a network.
type side struct {
	core   *Core
	store  *fakeStore
	out    []byte // sent, not delivered
	timer  time.Time
	events []Event
	closed *Closed
	sent   []byte // everything sent
	hold   bool   // keep the results of commands back
	held   []Result
}

var testStart = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// pair is two sides and the stream between them.
type pair struct {
	a, b  *side
	now   time.Time
	delay time.Duration // each way, added whenever bytes are delivered
	step  int           // bytes delivered at a time; 0: all
}

func newSide(s *fakeStore, cfg Config) *side {
	cfg.Self = s.self
	return &side{core: New(cfg), store: s}
}

func newPair(a, b *fakeStore, ca, cb Config) *pair {
	return &pair{a: newSide(a, ca), b: newSide(b, cb), now: testStart}
}

// drain does what a core wants, and returns whether there was anything.
func (p *pair) drain(s *side) bool {
	any := false
	for {
		for {
			o, ok := s.core.Next()
			if !ok {
				break
			}
			any = true
			switch o := o.(type) {
			case Send:
				s.out = append(s.out, o.Bytes...)
				s.sent = append(s.sent, o.Bytes...)
			case Command:
				s.held = append(s.held, Run(s.store, o))
			case Timer:
				s.timer = o.At
			case Notice:
				s.events = append(s.events, o.Event)
			case Closed:
				s.closed = &o
			}
		}
		if s.hold || len(s.held) == 0 {
			return any
		}
		r := s.held[0]
		s.held = s.held[1:]
		s.core.Complete(r, p.now)
		any = true
	}
}

// deliver moves what one side sent to the other.
func (p *pair) deliver(from, to *side) bool {
	n := len(from.out)
	if p.step > 0 {
		n = min(n, p.step)
	}
	if n == 0 {
		return false
	}
	p.now = p.now.Add(p.delay)
	b := slices.Clone(from.out[:n])
	from.out = from.out[n:]
	to.core.Receive(b, p.now)
	p.drain(to)
	return true
}

func (p *pair) start() {
	p.a.core.Start(p.now)
	p.b.core.Start(p.now)
	p.drain(p.a)
	p.drain(p.b)
}

// run pumps until nothing moves.
func (p *pair) run() {
	for {
		moved := p.drain(p.a)
		moved = p.drain(p.b) || moved
		moved = p.deliver(p.a, p.b) || moved
		moved = p.deliver(p.b, p.a) || moved
		if !moved {
			return
		}
	}
}

// sync runs a whole session that must end well.
func sync2(t testing.TB, a, b *fakeStore, ca, cb Config) (Report, Report) {
	t.Helper()
	p := newPair(a, b, ca, cb)
	p.start()
	p.run()
	for _, s := range []*side{p.a, p.b} {
		if s.closed == nil {
			t.Fatalf("session of %v did not end; phase %v", s.store.self, s.core.phase)
		}
		if s.closed.Err != nil {
			t.Fatalf("session of %v: %v", s.store.self, s.closed.Err)
		}
	}
	return p.a.closed.Report, p.b.closed.Report
}

func seeded(seed int64) *rand.Rand { return rand.New(rand.NewSource(seed)) }
