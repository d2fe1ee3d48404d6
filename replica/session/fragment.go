package session

import (
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// Where changes are no longer kept, their husks travel in their places, and the
// records that the husks name as fragments, on demand: who has taken husks asks
// for records, some at a time in the order of their keys, until it has asked for
// all that its store needs, and then says that it wants nothing more. Fragments
// are numbered and acknowledged with the chunks, and weigh in flight as these do.
//
// The receiver's store keeps what came; another session asks for the rest only.

// wantBytes bounds the keys that are asked for at once.
const wantBytes = 8 << 10

// want asks for the stored forms of records; no records at all: nothing more is
// wanted of the scope.
type want struct {
	scope string
	list  []Want
}

func (q *want) encode() []byte {
	w := codec.NewWriter(nil)
	w.String(q.scope)
	w.Uvarint(uint64(len(q.list)))
	for _, x := range q.list {
		w.String(x.Key)
		w.Uvarint(x.Have)
		if x.Have > 0 {
			writeHash(w, x.Hash)
		}
	}
	return w.Bytes()
}

func decodeWant(b []byte) (want, error) {
	r := codec.NewReader(b)
	q := want{scope: r.String("scope", maxScopeName)}
	for range r.Count("records", MaxWants, 2) {
		x := Want{Key: r.String("key", crdt.MaxKeyBytes), Have: r.Uvarint()}
		if x.Have > 0 {
			x.Hash = readHash(r)
		}
		if n := len(q.list); n > 0 && q.list[n-1].Key >= x.Key {
			r.Fail("keys", codec.ErrNotCanonical)
		}
		if r.Err() != nil {
			break
		}
		q.list = append(q.list, x)
	}
	return q, r.Close()
}

// fragments are pieces of records of one scope.
type fragments struct {
	number uint64
	scope  string
	last   bool // of what was asked for
	pieces []Piece
}

func (f *fragments) encode() []byte {
	w := codec.NewWriter(nil)
	w.Uvarint(f.number)
	w.String(f.scope)
	w.Bool(f.last)
	w.Uvarint(uint64(len(f.pieces)))
	for _, p := range f.pieces {
		w.String(p.Key)
		w.Uvarint(p.Total)
		if p.Total > 0 {
			writeHash(w, p.Hash)
			w.Uvarint(p.From)
			w.Blob(p.Bytes)
		}
	}
	return w.Bytes()
}

// decodeFragments reads what encode wrote, up to maxBytes of pieces.
func decodeFragments(b []byte, maxBytes int) (*fragments, int, error) {
	r := codec.NewReader(b)
	f := &fragments{number: r.Uvarint(), scope: r.String("scope", maxScopeName), last: r.Bool()}
	n := r.Count("pieces", MaxWants, 2)
	if n == 0 {
		r.Fail("pieces", codec.ErrMalformed)
	}
	bytes := 0
	for i := 0; i < n && r.Err() == nil; i++ {
		p := Piece{Key: r.String("key", crdt.MaxKeyBytes), Total: r.Uvarint()}
		if p.Total > 0 {
			p.Hash, p.From = readHash(r), r.Uvarint()
			p.Bytes = append([]byte(nil), r.Blob("piece", maxBytes)...)
			if end := p.From + uint64(len(p.Bytes)); len(p.Bytes) == 0 || end < p.From || end > p.Total {
				r.Fail("piece", codec.ErrMalformed)
			}
		}
		if i > 0 && f.pieces[i-1].Key >= p.Key {
			r.Fail("keys", codec.ErrNotCanonical)
		}
		if bytes += len(p.Bytes); bytes > maxBytes {
			r.Fail("fragment", &codec.LimitError{What: "fragment", Got: uint64(bytes), Max: uint64(maxBytes)})
		}
		f.pieces = append(f.pieces, p)
	}
	return f, bytes, r.Close()
}

// trades reports whether husks and fragments may travel.
func (c *Core) trades() bool { return c.peerHello.capabilities&capabilities&capFragments != 0 }

// asker is what this side has asked for.
type asker struct {
	reading bool // the store is asked what it needs
	open    bool // the peer is
	scope   *scope
	last    string // the last record of those asked for
	some    bool   // there may be scopes with wanting set
}

// wants reports whether fragments are still to be asked for, or to come.
func (c *Core) wants() bool {
	if c.want.open || c.want.reading {
		return true
	}
	if !c.want.some {
		return false
	}
	for _, s := range c.scopes {
		if c.mayAsk(s) {
			return true
		}
	}
	c.want.some = false
	return false
}

// wantOf has the peer asked for fragments of a scope, from the first record on.
func (c *Core) wantOf(s *scope) {
	s.wanting, s.after, c.want.some = true, "", true
	s.again = c.want.scope == s && (c.want.open || c.want.reading)
}

func (c *Core) mayAsk(s *scope) bool {
	return s.wanting && c.trades() && c.takes() && wishes(c.peerHello.wished(), s.name)
}

// ask asks the peer for the next records whose fragments are needed.
func (c *Core) ask() {
	if c.saidBye || c.stopping || c.peerHello == nil || !c.check.done || !c.wants() || c.want.open || c.want.reading || len(c.recv.queue) > 0 {
		return
	}
	for _, s := range c.sorted() {
		if !c.mayAsk(s) {
			continue
		}
		c.want.reading, c.want.scope = true, s
		c.command(ReadWanted{s.name, s.after}, func(r Result) {
			c.want.reading = false
			c.askFor(s, r.Wants)
		})
		return
	}
}

func (c *Core) askFor(s *scope, list []Want) {
	if c.saidBye {
		return
	}
	bytes := 0
	for i := range list {
		bytes += len(list[i].Key) + 32
		if i == MaxWants || bytes > wantBytes && i > 0 {
			list = list[:i]
			break
		}
	}
	if len(list) == 0 && s.again {
		s.again = false
		return // more husks came meanwhile
	}
	if s.wanting = len(list) > 0; s.wanting {
		c.want.open, c.want.last = true, list[len(list)-1].Key
	}
	q := want{s.name, list}
	c.write(frameWant, 0, q.encode())
}

func (c *Core) onFragment(body []byte) {
	f, bytes, err := decodeFragments(body, c.cfg.MaxChunkBytes)
	switch {
	case err != nil:
		c.fail(classify("fragment", err))
	case !c.want.open || f.scope != c.want.scope.name || f.number != c.recv.last+1:
		c.fail(violation("fragment %d that was not asked for", f.number))
	case len(c.recv.queue) >= c.cfg.MaxInFlight || len(c.recv.queue) > 0 && c.recv.bytes+bytes > c.cfg.MaxInFlightBytes:
		c.fail(classify("fragment", &codec.LimitError{What: "bytes in flight", Got: uint64(c.recv.bytes + bytes), Max: uint64(c.cfg.MaxInFlightBytes)}))
	default:
		c.enqueue(&chunk{number: f.number, scope: f.scope, bytes: bytes, fragments: f})
	}
}

// stage gives the store what a fragment brought, and acknowledges it.
func (c *Core) stage(ch *chunk) {
	f := ch.fragments
	c.command(StageFragments{Fragments{Peer: c.peerHello.self, Scope: f.scope, Agreed: c.agreed(), Pieces: f.pieces}}, func(Result) {
		c.report.Received.Fragments += uint64(ch.bytes)
		a := ack{number: ch.number}
		c.write(frameAck, 0, a.encode(c.maxSendFrame))
		if f.last {
			s := c.want.scope
			if c.want.open = false; !s.again {
				s.after = c.want.last
			}
			s.again = false
		}
		c.done(ch)
	})
}

// asked is what the peer wants, as far as it was not sent.
type asked struct {
	scope *scope
	list  []Want
}

func (c *Core) onWant(body []byte) {
	q, err := decodeWant(body)
	if err != nil {
		c.fail(classify("wish for fragments", err))
		return
	}
	if !c.trades() || !c.gives() || c.send.asked != nil {
		c.fail(violation("wish for fragments"))
		return
	}
	s := c.scopes[q.scope]
	switch {
	case s == nil || !wishes(c.cfg.Scopes, q.scope):
		c.fail(violation("wish for fragments of a scope that was not spoken of"))
	case len(q.list) == 0:
		s.owes = false
	default:
		c.send.asked = &asked{s, q.list}
	}
}

// readFragments reads the next of what the peer wants, and sends it.
func (c *Core) readFragments() {
	a := c.send.asked
	c.send.reading = true
	c.command(ReadFragments{a.scope.name, a.list, c.budget()}, func(r Result) {
		c.send.reading = false
		if c.saidBye {
			return
		}
		b := r.Pieces
		if len(b.Pieces) == 0 || len(b.Pieces) > MaxWants {
			c.storeBroke("%d pieces of %d records", len(b.Pieces), len(a.list))
			return
		}
		if a.list = b.Rest; len(a.list) == 0 {
			c.send.asked = nil
		}
		c.sendFragments(a.scope, b.Pieces)
	})
}

func (c *Core) sendFragments(s *scope, pieces []Piece) {
	c.send.number++
	f := fragments{number: c.send.number, scope: s.name, last: c.send.asked == nil, pieces: pieces}
	o := &outgoing{number: f.number, scope: s, sentAt: c.now}
	for i := range pieces {
		o.bytes += len(pieces[i].Bytes)
	}
	c.write(frameFragment, 0, f.encode())
	c.send.flight = append(c.send.flight, o)
	o.load = c.inFlight()
	c.report.Sent.Chunks++
	c.report.Sent.Fragments += uint64(o.bytes)
	c.progress()
}

// taken reports whether the peer took a husk of the chunk.
func (o *outgoing) taken(verdicts []Verdict) bool {
	for i := range o.changes {
		if crdt.IsHusk(o.changes[i].Encoded) && (verdicts == nil || verdicts[i].Outcome.Durable()) {
			return true
		}
	}
	return false
}

// owes reports whether the peer may still ask for fragments of what it was sent.
func (c *Core) owes() bool {
	if !c.send.owing {
		return false
	}
	for _, s := range c.scopes {
		if s.owes {
			return true
		}
	}
	c.send.owing = false
	return false
}
