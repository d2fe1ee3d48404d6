package session

import (
	"errors"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// receiver is what comes from the peer.
type receiver struct {
	chunks    chunkReader
	queue     []*chunk // the first is being worked on; fragments are among them
	bytes     int      // of the queue
	busy      bool
	last      uint64 // number of the chunk that came last
	answering bool
	queries   int
	planned   uint64
}

func (c *Core) onChunk(body []byte) {
	if !c.takes() || c.ownRound == 0 && c.peerHello.digest != c.digest {
		c.fail(violation("chunk that was not asked for"))
		return
	}
	ch, err := c.recv.chunks.decode(body, c.cfg.MaxChunkBytes)
	if err != nil {
		c.fail(classify("chunk", err))
		return
	}
	if ch.number != c.recv.last+1 {
		c.fail(violation("chunk %d after chunk %d", ch.number, c.recv.last))
		return
	}
	if len(c.recv.queue) >= c.cfg.MaxInFlight || len(c.recv.queue) > 0 && c.recv.bytes+ch.bytes > c.cfg.MaxInFlightBytes {
		c.fail(classify("chunk", &codec.LimitError{What: "bytes in flight", Got: uint64(c.recv.bytes + ch.bytes), Max: uint64(c.cfg.MaxInFlightBytes)}))
		return
	}
	c.enqueue(ch)
}

// enqueue takes a chunk whose limits were looked at.
func (c *Core) enqueue(ch *chunk) {
	c.recv.last = ch.number
	c.recv.bytes += ch.bytes
	c.report.Received.Chunks++
	c.recv.queue = append(c.recv.queue, ch)
	c.peerChecked()
	c.work()
}

// intake is a chunk while it is worked on.
type intake struct {
	*chunk
	scope    *scope
	bad      []Code // for each run, CodeNone if it follows what is here
	own      bool   // the run of the own origin was looked at
	verdicts []Verdict
	accepted []Incoming
	index    []int // of accepted, among the items
}

// last is the last number of run i.
func (in *intake) last(i int) uint64 {
	n := in.runs[i].first - 1
	for _, it := range in.items {
		if it.run == i {
			n++
		}
	}
	return n
}

// work takes the next chunk in hand.
func (c *Core) work() {
	if c.recv.busy || len(c.recv.queue) == 0 || c.closed {
		return
	}
	c.recv.busy = true
	ch := c.recv.queue[0]
	if ch.fragments != nil {
		c.stage(ch)
		return
	}
	in := &intake{chunk: ch, bad: make([]Code, len(ch.runs)), verdicts: make([]Verdict, len(ch.items))}
	refuse := CodeNone
	switch {
	case !wishes(c.cfg.Scopes, ch.scope) || ch.scope == "":
		refuse = CodeNotEntitled
	case c.scopes[ch.scope] == nil && len(c.scopes) >= c.cfg.MaxScopes+len(c.own):
		refuse = CodeQuota
	}
	if refuse != CodeNone {
		for i := range in.bad {
			in.bad[i] = refuse
		}
		c.apply(in)
		return
	}
	in.scope = c.scope(ch.scope)
	c.trace(in, 0)
}

// trace checks from run i on that each run follows what is here.
func (c *Core) trace(in *intake, i int) {
	for ; i < len(in.runs); i++ {
		u := in.runs[i]
		if u.origin == c.self && !in.own {
			// Nobody else continues the own history. What others know of it may
			// come back, if it is here.
			c.command(ReadChains{in.chunk.scope, u.origin, []uint64{in.last(i)}}, func(r Result) {
				if len(r.Chains) != 1 {
					c.storeBroke("chain digests of %v", u.origin)
					return
				}
				if in.own = true; !r.Chains[0].Known {
					in.bad[i] = CodeFork
					c.alarm(Alarm{Kind: Fork, Scope: in.chunk.scope, Dot: clock.Dot{Origin: u.origin, N: in.last(i)}})
				}
				c.trace(in, i)
			})
			return
		}
		if u.first == 1 || in.bad[i] != CodeNone {
			continue
		}
		if h := in.scope.head(u.origin); h.n == u.first-1 {
			c.join(in, i, ChainAt{u.first - 1, h.chain, true})
			continue
		}
		// Another session has taken part of it in, or something is missing.
		c.command(ReadChains{in.chunk.scope, u.origin, []uint64{u.first - 1}}, func(r Result) {
			if len(r.Chains) != 1 {
				c.storeBroke("chain digests of %v", u.origin)
				return
			}
			c.join(in, i, r.Chains[0])
			c.trace(in, i+1)
		})
		return
	}
	c.apply(in)
}

// join decides whether a run follows the chain digest that is here before it.
func (c *Core) join(in *intake, i int, here ChainAt) {
	u := in.runs[i]
	switch {
	case !here.Known:
		in.bad[i] = CodeGap
	case u.continues:
		in.runs[i].before = here.Hash
	case here.Hash != u.before:
		in.bad[i] = CodeFork
		c.alarm(Alarm{Kind: Fork, Scope: in.chunk.scope, Dot: clock.Dot{Origin: u.origin, N: u.first}, Own: here.Hash, Peer: u.before})
	}
}

// head is the last number of an origin in the own store, and its chain digest.
type head struct {
	n     uint64
	chain crdt.Hash
}

// head is where the own store stands with an origin.
func (s *scope) head(o clock.Origin) head {
	var h head
	if s.own != nil {
		h.n = s.own.Stored.Get(o)
	}
	if k, ok := s.heads[o]; ok && k.n >= h.n {
		return k
	}
	if s.own != nil {
		h.chain = s.own.chain(o)
	} else {
		h.chain = crdt.ChainStart(s.name, o)
	}
	return h
}

// apply gives the store the changes that are sound.
func (c *Core) apply(in *intake) {
	in.accepted, in.index = in.chunk.sound(in.bad, in.verdicts)
	if len(in.accepted) == 0 {
		c.applied(in, nil)
		return
	}
	op := ApplyChanges{Intake{Peer: c.peerHello.self, Scope: in.chunk.scope, Agreed: c.agreed(), Changes: in.accepted}}
	c.command(op, func(r Result) {
		if len(r.Verdicts) != len(in.accepted) {
			c.storeBroke("%d verdicts on %d changes", len(r.Verdicts), len(in.accepted))
			return
		}
		c.applied(in, r.Verdicts)
	})
}

// sound reads the changes of a chunk and gives those that can be handed to a
// store, with their places among the items. The others get their verdicts: those
// of a run that bad names, those that do not decode, and what follows these.
func (ch *chunk) sound(bad []Code, verdicts []Verdict) (accepted []Incoming, index []int) {
	chains := make([]crdt.Hash, len(ch.runs)) // before the next change
	for i, u := range ch.runs {
		chains[i] = u.before
		if u.first == 1 {
			chains[i] = crdt.ChainStart(ch.scope, u.origin)
		}
	}
	for i := range ch.items {
		it := &ch.items[i]
		if code := bad[it.run]; code != CodeNone {
			verdicts[i] = Verdict{Refused, code, ""}
			continue
		}
		inc, err := ReadIncoming(it.dot, it.encoded, chains[it.run])
		if err != nil {
			bad[it.run] = CodeGap // what follows lacks this one
			verdicts[i] = Verdict{Refused, CodeMalformed, err.Error()}
			continue
		}
		chains[it.run] = crdt.Chain(inc.Before, inc.Hash)
		accepted = append(accepted, inc)
		index = append(index, i)
	}
	return accepted, index
}

// ReadIncoming reads a change for a store: the one named d, in its canonical
// form, after the chain digest before. One of a later version is passed on with
// what could be read of it. The error says why the bytes are not that change.
func ReadIncoming(d clock.Dot, encoded []byte, before crdt.Hash) (Incoming, error) {
	if crdt.IsHusk(encoded) {
		h, err := crdt.DecodeHusk(encoded)
		if err != nil {
			return Incoming{}, err
		}
		return Incoming{Dot: d, Encoded: encoded, Hash: h.Hash, Before: before, Husk: true, Change: h.Change(d)}, nil
	}
	inc := Incoming{Dot: d, Encoded: encoded, Hash: crdt.HashOf(encoded), Before: before}
	ch, err := crdt.DecodeChange(encoded)
	switch {
	case err == nil:
		if ch.Dot != d {
			return inc, errors.New("the change has another dot")
		}
	case errors.Is(err, crdt.ErrUnknownShape), errors.Is(err, codec.ErrVersion):
		if ch != nil && ch.Dot.N != 0 && ch.Dot != d {
			return inc, errors.New("the change has another dot")
		}
		inc.Unknown = err
	default:
		return inc, err
	}
	inc.Change = ch
	return inc, nil
}

// applied takes the verdicts of the store, and acknowledges the chunk.
func (c *Core) applied(in *intake, verdicts []Verdict) {
	for k, v := range verdicts {
		if v.Outcome >= outcomes {
			c.storeBroke("verdict %v", v)
			return
		}
		in.verdicts[in.index[k]] = v
	}
	stopped := map[clock.Origin]bool{}
	for k, inc := range in.accepted {
		o := inc.Dot.Origin
		if !verdicts[k].Outcome.Durable() {
			stopped[o] = true
		}
		if verdicts[k].Code == CodeFork {
			c.alarm(Alarm{Kind: Fork, Scope: in.chunk.scope, Dot: inc.Dot})
		}
		if stopped[o] || inc.Dot.N <= in.scope.head(o).n {
			continue
		}
		if in.scope.heads == nil {
			in.scope.heads = map[clock.Origin]head{}
		}
		in.scope.heads[o] = head{inc.Dot.N, crdt.Chain(inc.Before, inc.Hash)}
	}
	next := 0
	for i, v := range in.verdicts {
		key := ""
		if next < len(in.index) && in.index[next] == i {
			if ch := in.accepted[next].Change; ch != nil && len(ch.Parts) > 0 {
				key = ch.Parts[0].Key
			}
			next++
		}
		c.report.Received.Verdicts.add(v.Outcome, 1)
		c.item(Item{Received: true, Scope: in.chunk.scope, Dot: in.items[i].dot, Key: key, Verdict: v})
		if v.Outcome.Durable() {
			in.scope.peer.Advance(in.items[i].dot) // it is not sent back
			if crdt.IsHusk(in.items[i].encoded) {
				c.wantOf(in.scope)
			}
		}
	}
	c.report.Received.Changes.Changes += uint64(len(in.items))
	c.report.Received.Changes.Bytes += uint64(in.chunk.bytes)
	a := ack{in.number, in.verdicts}
	c.write(frameAck, 0, a.encode(c.maxSendFrame))
	c.done(in.chunk)
}

// done goes on to the next chunk.
func (c *Core) done(ch *chunk) {
	c.recv.queue = c.recv.queue[1:]
	c.recv.bytes -= ch.bytes
	c.recv.busy = false
	c.progress()
	c.work()
}

// agreed is the time that the session goes by.
func (c *Core) agreed() clock.Stamp {
	peer := c.peerHello.wall.Add(c.now.Sub(c.clocks.met))
	return clock.Agreed(c.wall(), peer)
}

// wall is what the wall clock shows.
func (c *Core) wall() clock.Stamp {
	if c.cfg.Wall != nil {
		return clock.NewStamp(c.cfg.Wall(), 0)
	}
	return clock.NewStamp(c.now, 0)
}
