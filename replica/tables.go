package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/concord-crdt/concord/codec"
)

// checkTables looks at the ends of the engine's table files: it opens them in
// goroutines of its own and does not check the lengths that it finds there, so
// that a file that was cut would end the process. It reads some bytes of each.
func checkTables(dir string) error {
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		return fmt.Errorf("replica: open %s: %w", dir, err)
	}
	for _, path := range tables {
		if err := checkTable(path); err != nil {
			return fmt.Errorf("replica: open %s: %w", dir, &CorruptError{Row: "store", Err: fmt.Errorf("%s: %w", filepath.Base(path), err)})
		}
	}
	return nil
}

// A table ends with its index, the length of that, a checksum, and the length of
// that; lengths are of four bytes.
const maxTableChecksum = 64

func checkTable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	length := func(before int64) (int64, error) {
		var b [4]byte
		if fi.Size() < before+4 {
			return 0, errCut
		}
		_, err := f.ReadAt(b[:], fi.Size()-before-4)
		return int64(codec.NewReader(b[:]).Uint32()), err
	}
	checksum, err := length(0)
	if err != nil {
		return err
	}
	if checksum > maxTableChecksum {
		return errCut
	}
	index, err := length(4 + checksum)
	if err != nil {
		return err
	}
	if index == 0 || index+checksum+8 > fi.Size() {
		return errCut
	}
	return nil
}

var errCut = errors.New("the end of the file is not there")
