package replica

import (
	"os"
	"syscall"
)

// directoryNumber names a directory by its inode and the time of its birth: it
// stays when the directory is moved, and a copy has another.
func directoryNumber(dir string) uint64 {
	fi, err := os.Stat(dir)
	if err != nil {
		return 0
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return bornDirectory(st.Ino, st.Birthtimespec.Sec, st.Birthtimespec.Nsec)
	}
	return 0
}
