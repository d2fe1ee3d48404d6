package scenario

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
)

// A fold is a way to bring states together: one state, or two folds whose
// results are delivered to a fresh replica, the left one first.
type fold struct {
	state       int // index of the replica, for a leaf
	left, right *fold
}

func (f *fold) String() string {
	if f.left == nil {
		return fmt.Sprint(f.state)
	}
	return "(" + f.left.String() + " " + f.right.String() + ")"
}

// maxFolds is how many folds are tried where there are too many for all: above
// four replicas, and for four under every assignment of ids but the first.
const maxFolds = 24

// mergeOrders folds the states of all replicas in every order and association
// into fresh replicas and wants one result.
func (r *run) mergeOrders() error {
	messages := map[string][]byte{}
	leaves := make([]*fold, len(r.s.Replicas))
	for i, name := range r.s.Replicas {
		state, err := r.replicas[name].State()
		if err != nil {
			return err
		}
		leaves[i] = &fold{state: i}
		messages[leaves[i].String()] = state
	}
	var want string
	var first *fold
	for _, f := range r.folds(leaves) {
		replica, err := r.fold(f, messages)
		if err != nil {
			return fmt.Errorf("folding the states as %s: %w", f, err)
		}
		got, err := r.fingerprint(replica)
		if err = errors.Join(err, done(replica)); err != nil {
			return err
		}
		if first == nil {
			first, want = f, got
		}
		if got != want {
			g, w := contrastLines(got, want)
			return &broken{"the order in which states are joined shows",
				[]Mismatch{{Replica: "states joined as " + f.String(), What: "digest and values", Got: g,
					Want: []string{w + ", as joined as " + first.String()}}}}
		}
	}
	return nil
}

// folds returns all folds of up to three states, and of four in the first run;
// otherwise a fixed sample.
func (r *run) folds(leaves []*fold) []*fold {
	if len(leaves) <= 3 || len(leaves) == 4 && r.first {
		var all []*fold
		for _, order := range permutations(leaves) {
			all = append(all, associations(order)...)
		}
		return all
	}
	source := rand.New(rand.NewPCG(3, 4))
	sample := make([]*fold, maxFolds)
	for i := range sample {
		list := append([]*fold(nil), leaves...)
		source.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for len(list) > 1 {
			at := source.IntN(len(list) - 1)
			list[at] = &fold{left: list[at], right: list[at+1]}
			list = append(list[:at+1], list[at+2:]...)
		}
		sample[i] = list[0]
	}
	return sample
}

// associations returns every way to set brackets around a short list.
func associations(list []*fold) []*fold {
	if len(list) == 1 {
		return list
	}
	var out []*fold
	for split := 1; split < len(list); split++ {
		for _, left := range associations(list[:split]) {
			for _, right := range associations(list[split:]) {
				out = append(out, &fold{left: left, right: right})
			}
		}
	}
	return out
}

// fold returns a fresh replica that holds the result, and keeps the state of
// every part that it makes, since folds share them.
func (r *run) fold(f *fold, messages map[string][]byte) (Replica, error) {
	replica, err := r.world.Fresh()
	if err != nil {
		return nil, err
	}
	parts := []*fold{f.left, f.right}
	if f.left == nil {
		parts = []*fold{f}
	}
	for _, part := range parts {
		if _, ok := messages[part.String()]; !ok {
			inner, err := r.fold(part, messages)
			if err != nil {
				return nil, err
			}
			state, err := inner.State()
			if err = errors.Join(err, done(inner)); err != nil {
				return nil, err
			}
			messages[part.String()] = state
		}
		if err := replica.Deliver(append([]byte(nil), messages[part.String()]...)); err != nil {
			return nil, err
		}
	}
	return replica, nil
}

// done frees a fresh replica that is not used any more.
func done(replica Replica) error {
	if c, ok := replica.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
