package replica

import (
	"os"
	"path/filepath"
	"testing"
)

// TestInodeThatIsUsedAgainIsAnotherDirectory: a directory that was removed leaves
// its inode to the copy that is put in its place.
//
//concord:edge a number that is used again
func TestInodeThatIsUsedAgainIsAnotherDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	number := func() (n, ino uint64) {
		t.Helper()
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		n, ino = directoryNumber(dir), inode(dir)
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		return n, ino
	}
	first, before := number()
	again := 0
	for range 20_000 { // until the file system's clock has ticked
		n, ino := number()
		if ino != before {
			continue
		}
		again++
		if n != first {
			return
		}
	}
	if again == 0 || first == before {
		t.Skip("the file system uses no inode again, or keeps no times of birth")
	}
	t.Errorf("%d directories after another have its inode %d and its number", again, before)
}
