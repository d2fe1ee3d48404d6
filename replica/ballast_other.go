//go:build !linux

package replica

import "os"

// allocate gives a file real blocks.
func allocate(f *os.File, bytes int64) error { return writeZeros(f, bytes) }
