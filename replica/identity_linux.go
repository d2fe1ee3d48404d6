package replica

import "golang.org/x/sys/unix"

// directoryNumber names a directory by its inode, and the time of its birth where
// the file system keeps one: it stays when the directory is moved, and a copy has
// another. The inode alone does not tell: file systems give that of a removed
// directory to the next one that is made.
func directoryNumber(dir string) uint64 {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return inode(dir)
	}
	if st.Mask&unix.STATX_BTIME == 0 {
		return st.Ino
	}
	return bornDirectory(st.Ino, st.Btime.Sec, int64(st.Btime.Nsec))
}

// inode is what kernels without statx tell.
func inode(dir string) uint64 {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return 0
	}
	return st.Ino
}
