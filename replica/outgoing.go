package replica

import (
	"container/heap"
	"errors"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// Changes reads change rows, each origin's in the order of their dots, and all of
// them, as far as this allows, in the order in which they were applied here: so a
// peer that has none of them meets a change after those that it was made upon.
// How far the own ones may be seen from now on is durable before any of them is
// returned.
//
// It costs a row for each origin beyond those that it returns.
func (p peerStore) Changes(scope string, ranges []clock.Range, maxBytes int) (session.Batch, error) {
	var b session.Batch
	sources := make([]*source, 0, len(ranges))
	of := map[clock.Origin]*source{}
	for i, rg := range ranges {
		if len(sources) == maxSources && of[rg.Origin] == nil {
			b.Rest = append(b.Rest, ranges[i:]...)
			break
		}
		number, origin, last, ok := p.find(scope, rg.Origin)
		if !ok {
			continue
		}
		if err := p.r.offer(scope, rg.Origin, min(rg.To, last)); err != nil {
			return b, err
		}
		if src := of[rg.Origin]; src != nil {
			src.more = append(src.more, rg)
			continue
		}
		src := &source{scope: number, number: origin, last: last, rank: len(sources)}
		src.more = append(src.more, rg)
		of[rg.Origin] = src
		sources = append(sources, src)
	}
	err := p.r.store.at(func(v reader) error {
		var next sourceHeap
		for _, src := range sources {
			ok, err := src.begin(v, scope)
			if err != nil {
				return err
			}
			if ok {
				next = append(next, src)
			}
		}
		heap.Init(&next)
		for bytes := 0; len(next) > 0; {
			if bytes >= maxBytes {
				for _, src := range next {
					b.Rest = append(append(b.Rest, src.at), src.more...)
				}
				return nil
			}
			src := next[0]
			b.Changes = append(b.Changes, session.Change{
				Dot: clock.Dot{Origin: src.at.Origin, N: src.at.From}, Encoded: src.row.change, Before: src.before,
			})
			bytes += len(src.row.change)
			ok, err := src.advance(v, scope)
			if err != nil {
				return err
			}
			if ok {
				heap.Fix(&next, 0)
			} else {
				heap.Pop(&next)
			}
		}
		return nil
	})
	return b, err
}

// maxSources is of how many origins the changes are brought in order at once.
// Those of further ones come after.
const maxSources = 4096

// source is what is still to be read of an origin.
type source struct {
	scope, number uint32
	rank          int           // among the sources
	last          uint64        // that is stored
	at            clock.Range   // begins at the row
	more          []clock.Range // after it
	row           *changeRow
	before        crdt.Hash // the chain digest before the row
}

// begin reads the first row of the next range; ok is false if there is none, or
// if it cannot be read: then what follows it is left out too, and reported.
func (s *source) begin(v reader, scope string) (ok bool, err error) {
	if len(s.more) == 0 {
		return false, nil
	}
	s.at, s.more = s.more[0], s.more[1:]
	s.before = crdt.ChainStart(scope, s.at.Origin)
	if s.at.From > 1 {
		ok, err := s.read(v, s.at.From-1)
		if !ok {
			return false, err
		}
		s.before = s.row.chain
	}
	return s.read(v, s.at.From)
}

// advance goes on to the next row.
func (s *source) advance(v reader, scope string) (ok bool, err error) {
	s.before = s.row.chain
	if s.at.From++; s.at.From > s.at.To {
		return s.begin(v, scope)
	}
	return s.read(v, s.at.From)
}

func (s *source) read(v reader, n uint64) (ok bool, err error) {
	if n > s.last {
		return false, nil
	}
	s.row, err = readChange(v, s.scope, place{s.number, n})
	if errors.Is(err, ErrCorrupt) {
		return false, nil
	}
	return err == nil, err
}

// sourceHeap has the source on top whose next change was applied here first.
type sourceHeap []*source

func (h sourceHeap) Len() int { return len(h) }

func (h sourceHeap) Less(i, j int) bool {
	if h[i].row.seq != h[j].row.seq {
		return h[i].row.seq < h[j].row.seq
	}
	return h[i].rank < h[j].rank
}

func (h sourceHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *sourceHeap) Push(x any)   { *h = append(*h, x.(*source)) }

func (h *sourceHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
