package replica

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// SetAside moves the store in dir away, where the engine cannot open it any
// more, and keeps the replica's identity: opened again it is empty, starts a new
// incarnation and gets from its peers what they have. It returns where the old
// store is. The replica must not be open.
//
// Changes that no peer has are in the old store alone.
func SetAside(dir string) (string, error) {
	for n := 1; ; n++ {
		to := filepath.Join(dir, fmt.Sprintf("data.damaged-%d", n))
		if _, err := os.Lstat(to); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("replica: set aside: %w", err)
		}
		if err := os.Rename(filepath.Join(dir, "data"), to); err != nil {
			return "", fmt.Errorf("replica: set aside: %w", err)
		}
		if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
			return "", fmt.Errorf("replica: set aside: %w", err)
		}
		return to, syncDir(dir)
	}
}
