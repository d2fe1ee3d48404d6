//go:build unix && !linux && !darwin

package replica

import (
	"os"
	"syscall"
)

// directoryNumber is the inode of a directory: it stays when the directory is
// moved, and a copy has another, as long as the original is there.
func directoryNumber(dir string) uint64 {
	fi, err := os.Stat(dir)
	if err != nil {
		return 0
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino)
	}
	return 0
}
