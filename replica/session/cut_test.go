package session

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/concord-crdt/concord/codec"
)

// small makes sessions of many chunks out of few changes.
var small = Config{StartChunkBytes: 250, LeastChunkBytes: 250, MostChunkBytes: 250}

func cutStores() (*fakeStore, *fakeStore) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 8)
	a.writeMany("u", 2)
	b.writeMany("s", 3)
	return a, b
}

// TestCutAnywhere cuts a session after every number of bytes, and holds a second
// one. Nothing may be lost, and nothing that the receiver has be sent again.
//
//concord:fault a connection that breaks at any byte
func TestCutAnywhere(t *testing.T) {
	a, b := cutStores()
	whole := newPair(a, b, small, small)
	whole.step = 1
	total := 0
	whole.start()
	for whole.pump() {
		total++
	}
	whole.mustEnd(t)
	for cut := range total {
		a, b := cutStores()
		p := newPair(a, b, small, small)
		p.step = 1
		p.start()
		for range cut {
			p.pump()
		}
		p.cut()
		ra, rb := p.a.closed.Report, p.b.closed.Report
		for _, s := range []*side{p.a, p.b} {
			if err := s.closed.Err; err != nil && !errors.Is(err, ErrCut) {
				t.Fatalf("cut %d: %v", cut, err)
			}
		}
		atB := b.has("s", a.self) + b.has("u", a.self)
		if acked := int(ra.Sent.Verdicts.Total()); acked > atB {
			t.Fatalf("cut %d: %d changes were acknowledged, %d are there", cut, acked, atB)
		}
		atA := a.has("s", b.self)
		if acked := int(rb.Sent.Verdicts.Total()); acked > atA {
			t.Fatalf("cut %d: %d changes were acknowledged, %d are there", cut, acked, atA)
		}
		ra, rb = mustSync(t, a, b, small, small)
		mustEqual(t, a, b)
		if got, want := int(ra.Sent.Changes.Changes), 10-atB; got != want {
			t.Fatalf("cut %d: %d changes of a were sent afterwards, want %d", cut, got, want)
		}
		if got, want := int(rb.Sent.Changes.Changes), 3-atA; got != want {
			t.Fatalf("cut %d: %d changes of b were sent afterwards, want %d", cut, got, want)
		}
	}
	t.Logf("%d cuts", total)
}

// TestCutFlight counts what a cut costs: the chunks in flight, and no more.
//
//concord:fault a connection that breaks
func TestCutFlight(t *testing.T) {
	a, b := newFake('a'), newFake('b')
	a.writeMany("s", 300)
	p := newPair(a, b, small, small)
	p.step = 64
	p.start()
	for range 120 {
		p.pump()
	}
	p.cut()
	r := p.a.closed.Report
	if waste := r.Sent.Changes.Changes - r.Sent.Verdicts.Total(); waste > 3*4+3 {
		t.Errorf("%d changes were in flight", waste)
	}
}

// TestLostAfterBye says that whoever leaves first does not spoil the other's
// report.
//
//concord:fault a connection that breaks
func TestLostAfterBye(t *testing.T) {
	a, b := cutStores()
	p := newPair(a, b, Config{}, Config{})
	p.start()
	for p.a.core.saidBye == false {
		p.pump()
	}
	p.a.core.Lost(io.EOF)
	p.drain(p.a)
	wantClosed(t, p.a, nil)

	p = newPair(newFake('c'), newFake('d'), Config{}, Config{})
	p.a.core.Start(p.now)
	p.drain(p.a)
	p.a.core.Lost(io.EOF)
	p.drain(p.a)
	wantClosed(t, p.a, ErrCut)
	wantClosed(t, p.a, io.EOF)
	p.a.core.Lost(io.EOF) // once is enough
	p.drain(p.a)
}

//concord:fault a connection that breaks
func TestLostWithinFrame(t *testing.T) {
	a, b := cutStores()
	p := newPair(a, b, Config{}, Config{})
	p.step = 10
	p.start()
	p.pump()
	p.a.core.Lost(io.EOF)
	p.drain(p.a)
	wantClosed(t, p.a, ErrCut)
	wantClosed(t, p.a, codec.ErrTruncated)
}

// TestBitFlips turns single bits of what one side sends. The other must find
// out, and both must be whole afterwards.
//
//concord:fault bits that turn on the way
func TestBitFlips(t *testing.T) {
	stores := func() (*fakeStore, *fakeStore) {
		a, b := newFake('a'), newFake('b')
		a.writeMany("s", 4)
		b.writeMany("s", 1)
		return a, b
	}
	a, b := stores()
	p := newPair(a, b, small, small)
	p.start()
	p.run()
	p.mustEnd(t)
	stream := bytes.Clone(p.a.sent)
	const stride = 3 // so that each position within a byte comes up
	flips := 0
	for bit := 0; bit < 8*len(stream); bit += stride {
		a, b := stores()
		p := newPair(a, b, small, small)
		sent := 0
		p.start()
		for {
			// Turn the bit when it comes by.
			if at := bit/8 - sent; at >= 0 && at < len(p.a.out) {
				p.a.out[at] ^= 1 << (bit % 8)
			}
			sent += len(p.a.out)
			if !p.pump() {
				break
			}
		}
		p.cut()
		err := p.b.closed.Err
		if err == nil && !p.b.closed.Report.CaughtUp {
			t.Fatalf("bit %d: no error", bit)
		}
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrLimit) && !errors.Is(err, ErrBadFrame) &&
			!errors.Is(err, ErrIncompatible) && !errors.Is(err, ErrCut) {
			t.Fatalf("bit %d: %v", bit, err)
		}
		mustSync(t, a, b, Config{}, Config{})
		mustEqual(t, a, b)
		flips++
	}
	t.Logf("%d flips", flips)
}

// TestDamageIsTold says that the peer learns why, where frames still arrive.
//
//concord:fault bits that turn on the way
func TestDamageIsTold(t *testing.T) {
	a, b := cutStores()
	p := newPair(a, b, Config{}, Config{})
	p.start()
	p.a.out[len(p.a.out)-1] ^= 1 // the checksum of the hello
	p.run()
	wantClosed(t, p.b, ErrDamaged)
	wantClosed(t, p.a, ErrDamaged)
	var told *PeerError
	if !errors.As(p.a.closed.Err, &told) || told.Code != ByeChecksum || told.Reason == "" {
		t.Errorf("told: %v", p.a.closed.Err)
	}
}
