//go:build linux || darwin

package replica

import (
	"crypto/sha256"

	"github.com/concord-crdt/concord/codec"
)

// bornDirectory is a number for an inode since its birth; never zero.
func bornDirectory(inode uint64, sec, nsec int64) uint64 {
	w := codec.NewWriter(make([]byte, 0, 24))
	w.Uint64(inode)
	w.Uint64(uint64(sec))
	w.Uint64(uint64(nsec))
	sum := sha256.Sum256(w.Bytes())
	return codec.NewReader(sum[:]).Uint64() | 1
}
