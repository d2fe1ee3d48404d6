package fleet

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/replica"
)

// seed is the i-th of an endless list of identities, always the same.
func seed(i int) []byte {
	s := sha256.Sum256(fmt.Appendf(nil, "concord fleet %d", i))
	return s[:]
}

// identities are the first n of the list, in ascending order of the ids that
// replicas get by them.
func identities(n int) [][]byte {
	type identity struct {
		seed []byte
		id   clock.ReplicaID
	}
	list := make([]identity, n)
	for i := range list {
		s := seed(i)
		list[i] = identity{s, replica.IDOf(s)}
	}
	slices.SortFunc(list, func(a, b identity) int { return slices.Compare(a.id[:], b.id[:]) })
	seeds := make([][]byte, n)
	for i := range list {
		seeds[i] = list[i].seed
	}
	return seeds
}
