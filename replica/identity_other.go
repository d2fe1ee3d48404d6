//go:build !unix

package replica

// directoryNumber is not known here: a copied directory is told from its
// original by the machine, or by the first peer.
func directoryNumber(string) uint64 { return 0 }
