package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/pflag"

	"github.com/concord-crdt/concord/replica"
)

// env is what every command works with: the streams, and the flags that all
// commands share.
type env struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	flags  globalFlags
}

// globalFlags are the flags of the root command.
type globalFlags struct {
	store      string
	actor      string
	role       string
	durability string
	json       bool
	verbose    bool
}

// The environment sets what a flag does not.
const (
	storeVariable      = "CONCORD_STORE"
	actorVariable      = "CONCORD_ACTOR"
	roleVariable       = "CONCORD_ROLE"
	durabilityVariable = "CONCORD_DURABILITY"

	defaultStore = "concord-store"
)

func (f *globalFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.store, "store", fromEnvironment(storeVariable, defaultStore), "directory of the store, or $"+storeVariable)
	fs.StringVar(&f.actor, "actor", fromEnvironment(actorVariable, ""), "who writes, or $"+actorVariable)
	fs.StringVar(&f.role, "role", fromEnvironment(roleVariable, ""), "the writer's role, or $"+roleVariable)
	fs.StringVar(&f.durability, "durability", fromEnvironment(durabilityVariable, "synced"),
		"when a write counts as done: synced (on the disk) or relaxed (with the operating system), or $"+durabilityVariable)
	fs.BoolVar(&f.json, "json", false, "print JSON, one object a line")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "log what happens to stderr")
}

func fromEnvironment(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// options are the replica's options that the flags ask for.
func (e *env) options() (replica.Options, error) {
	o := replica.Options{Actor: e.flags.actor, Role: e.flags.role}
	switch e.flags.durability {
	case "synced":
		o.Durability = replica.Synced
	case "relaxed":
		o.Durability = replica.Relaxed
	default:
		return o, usageErrorf("--durability is %q; use synced or relaxed", e.flags.durability)
	}
	if e.flags.verbose {
		o.Logger = hclog.New(&hclog.LoggerOptions{Name: "concord", Level: hclog.Debug, Output: e.stderr})
	}
	return o, nil
}

// open opens the store that the flags name, which must exist: a mistyped path
// is an error and not a new store.
func (e *env) open() (*replica.Replica, error) {
	o, err := e.options()
	if err != nil {
		return nil, err
	}
	if err := checkStore(e.flags.store); err != nil {
		return nil, err
	}
	return replica.Open(e.flags.store, o)
}

// withStore opens the store, calls do and closes the store.
func (e *env) withStore(do func(*replica.Replica) error) error {
	r, err := e.open()
	if err != nil {
		return err
	}
	return errors.Join(do(r), r.Close())
}

// checkStore reports why dir is not a store that can be opened.
func checkStore(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &noStoreError{dir, "there is no such directory"}
	case err != nil:
		return fmt.Errorf("open the store: %w", err)
	case !info.IsDir():
		return &noStoreError{dir, "it is a file"}
	}
	for _, slot := range []string{"identity.0", "identity.1"} {
		if _, err := os.Stat(filepath.Join(dir, slot)); err == nil {
			return nil
		}
	}
	return &noStoreError{dir, "the directory holds no store"}
}

// printf writes to stdout.
func (e *env) printf(format string, args ...any) {
	fmt.Fprintf(e.stdout, format, args...)
}

// printJSON writes v to stdout as one line.
func (e *env) printJSON(v any) error { return writeJSON(e.stdout, v) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
