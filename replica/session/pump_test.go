package session

import (
	"bytes"
	"errors"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/concord-crdt/concord/codec"
)

// side is one core with its store, in a test without a network.
type side struct {
	core    *Core
	store   *fakeStore
	out     []byte // sent, not delivered
	sent    []byte // everything sent
	timer   time.Time
	events  []Event
	closed  *Closed
	held    []Result
	changed bool // the store changed
	odd     *oddStore
	said    chunkReader // of what it sent, for transcripts
	skew    time.Duration
}

var testStart = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// pair is two sides and the streams between them.
type pair struct {
	a, b  *side
	now   time.Time
	step  int           // bytes delivered at a time; 0: all
	delay time.Duration // added with each delivery
	skewB time.Duration // how far b's clock is behind
	log   *bytes.Buffer // when set, what is sent is told there
}

func newSide(s *fakeStore, cfg Config) *side {
	cfg.Self = s.self
	return &side{core: New(cfg), store: s}
}

func newPair(a, b *fakeStore, ca, cb Config) *pair {
	return &pair{a: newSide(a, ca), b: newSide(b, cb), now: testStart}
}

func (p *pair) time(s *side) time.Time { return p.now.Add(-s.skew) }

// drain does what a core wants, and reports whether there was anything.
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
				if p.log != nil {
					tell(p.log, s, o.Bytes)
				}
			case Command:
				if s.odd != nil {
					s.held = append(s.held, s.odd.run(o))
				} else {
					s.held = append(s.held, Run(s.store, o))
				}
			case Timer:
				s.timer = o.At
			case Notice:
				s.events = append(s.events, o.Event)
			case Closed:
				if s.closed != nil {
					panic("closed twice")
				}
				s.closed = &o
			}
		}
		if len(s.held) == 0 {
			return any
		}
		r := s.held[0]
		s.held = s.held[1:]
		s.core.Complete(r, p.time(s))
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
	to.core.Receive(b, p.time(to))
	clear(b) // the core must keep nothing of it
	p.drain(to)
	return true
}

func (p *pair) start() {
	p.b.skew = p.skewB
	for _, s := range []*side{p.a, p.b} {
		s.core.Start(p.time(s))
		p.drain(s)
	}
}

// pump delivers once in each direction, and reports whether anything moved.
func (p *pair) pump() bool {
	moved := false
	for _, s := range []*side{p.a, p.b} {
		if s.changed {
			s.changed = false
			s.core.Changed(p.time(s))
		}
		moved = p.drain(s) || moved
	}
	moved = p.deliver(p.a, p.b) || moved
	return p.deliver(p.b, p.a) || moved
}

// run pumps until nothing moves.
func (p *pair) run() {
	for p.pump() {
	}
}

// cut ends both sides as a lost connection does.
func (p *pair) cut() {
	for _, s := range []*side{p.a, p.b} {
		s.core.Lost(nil)
		p.drain(s)
	}
}

func (p *pair) mustEnd(t testing.TB) {
	t.Helper()
	for _, s := range []*side{p.a, p.b} {
		if s.closed == nil {
			t.Fatalf("session of %v did not end; phase %v", s.store.self, s.core.phase)
		}
		if s.closed.Err != nil {
			t.Fatalf("session of %v: %v", s.store.self, s.closed.Err)
		}
	}
}

// mustSync runs a whole session that ends well.
func mustSync(t testing.TB, a, b *fakeStore, ca, cb Config) (Report, Report) {
	t.Helper()
	p := newPair(a, b, ca, cb)
	p.start()
	p.run()
	p.mustEnd(t)
	return p.a.closed.Report, p.b.closed.Report
}

func mustEqual(t testing.TB, a, b *fakeStore) {
	t.Helper()
	if a.digest() != b.digest() {
		t.Fatalf("stores of %v and %v differ", a.self, b.self)
	}
}

func wantClosed(t testing.TB, s *side, want error) {
	t.Helper()
	if s.closed == nil {
		t.Fatalf("session of %v did not end; want %v", s.store.self, want)
	}
	if !errors.Is(s.closed.Err, want) {
		t.Fatalf("session of %v ended with %v, want %v", s.store.self, s.closed.Err, want)
	}
}

// framesOf takes a stream apart. Messages of several frames are put together.
func framesOf(t testing.TB, stream []byte) []codec.Frame {
	t.Helper()
	var list []codec.Frame
	var partial []byte
	r := codec.NewFrameReader(codec.MaxFrameLimit)
	for len(stream) > 0 {
		stream = stream[r.Feed(stream):]
		for {
			f, ok, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			partial = append(partial, f.Body...)
			if f.Flags&flagMore == 0 {
				f.Body = partial
				partial = nil
				list = append(list, f)
			}
		}
	}
	return list
}

func seeded(seed int64) *rand.Rand { return rand.New(rand.NewSource(seed)) }
