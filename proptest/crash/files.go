package crash

import (
	"io/fs"
	"os"
	"path/filepath"
)

// contents lists the files of a store that hold something.
func contents(store string) (files []string, err error) {
	err = filepath.WalkDir(store, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && used(b) > 0 {
			rel, _ := filepath.Rel(store, path)
			files = append(files, rel)
		}
		return err
	})
	return files, err
}

// used is the length of a file without the zeros at its end.
func used(b []byte) int {
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return n
}

// logEnds finds where the logs of a running store end.
func logEnds(data string) (map[string]int, error) {
	ends := map[string]int{}
	logs, err := filepath.Glob(filepath.Join(data, "*.mem"))
	for _, path := range logs {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		ends[filepath.Base(path)] = used(b)
	}
	return ends, err
}

// dropTail cuts a log at a place behind from, or zeroes what lies there.
func (e *engine) dropTail(path string, from int, zero bool) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	end := used(b)
	if end <= from {
		return nil
	}
	at := from + e.rnd.IntN(end-from)
	if !zero {
		return os.Truncate(path, int64(at))
	}
	clear(b[at:])
	return os.WriteFile(path, b, 0o600)
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
}
