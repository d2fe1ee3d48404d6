package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/concord-crdt/concord/merge"
)

// Beside its rows a store's directory may hold what concord opens it with. Both
// files stay where they are: no backup has them, and no peer gets them.
const (
	keptPolicy   = "policy.yaml"
	keptSettings = "settings.json"
)

// settings are how concord opens a store.
type settings struct {
	// Steward says that the store decides how far the past is settled.
	Steward bool `json:"steward"`
}

func readSettings(dir string) (s settings, err error) {
	b, err := os.ReadFile(filepath.Join(dir, keptSettings))
	if isNotThere(err) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return s, fmt.Errorf("read the settings of the store: %w", err)
	}
	return s, nil
}

// isNotThere also holds below what is no directory, which is told elsewhere.
func isNotThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func writeSettings(dir string, s settings) error {
	b, err := json.Marshal(s)
	if err == nil {
		err = replaceFile(filepath.Join(dir, keptSettings), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write the settings of the store: %w", err)
	}
	return nil
}

// replaceFile writes a small file whole or not at all.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// storePolicy is the policy that the store is opened with: the one that its
// directory holds, or else the one that --policy names; the zero policy if there
// is neither. Both may be given if they are the same: a store that was opened with
// another policy would not trust the versions that its peers go by.
func (e *env) storePolicy() (merge.Policy, error) {
	var p *merge.Policy
	var err error
	kept := filepath.Join(e.flags.store, keptPolicy)
	if _, serr := os.Stat(kept); !isNotThere(serr) {
		if p, err = e.soundPolicy(kept); err != nil {
			return merge.Policy{}, err
		}
	}
	if e.flags.policy == "" {
		if p == nil {
			return merge.Policy{}, nil
		}
		return *p, nil
	}
	given, err := e.soundPolicy(e.flags.policy)
	switch {
	case err != nil:
		return merge.Policy{}, err
	case p != nil && p.Digest() != given.Digest():
		return merge.Policy{}, usageErrorf("the store %s was made with another policy than --policy names; put a next version into force with: concord policy activate %s",
			shellQuote(e.flags.store), shellQuote(e.flags.policy))
	}
	return *given, nil
}

// soundPolicy reads a policy without errors.
func (e *env) soundPolicy(path string) (*merge.Policy, error) {
	p, findings, err := e.readPolicy(path)
	if err != nil {
		return nil, err
	}
	for _, f := range findings {
		if p == nil && f.Severity == merge.SeverityError {
			return nil, fmt.Errorf("the policy has errors, the first at %s: %s; see them all with: concord policy check %s",
				f.Place(), f.Problem, shellQuote(path))
		}
	}
	return p, nil
}

// storeKey reads the file that --key names; nil without one.
func (e *env) storeKey() ([]byte, error) {
	if e.flags.key == "" {
		return nil, nil
	}
	b, err := os.ReadFile(e.flags.key)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	sound := func(n int) bool { return n == 16 || n == 24 || n == 32 }
	if decoded, err := hex.DecodeString(strings.TrimSpace(string(b))); err == nil && sound(len(decoded)) {
		return decoded, nil
	}
	if !sound(len(b)) {
		return nil, usageErrorf("%s holds no key: want 16, 24 or 32 bytes, or as many in hexadecimal", shellQuote(e.flags.key))
	}
	return b, nil
}
