package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

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
	policy     string
	key        string
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
	policyVariable     = "CONCORD_POLICY"
	keyVariable        = "CONCORD_KEY"

	defaultStore = "concord-store"
)

func (f *globalFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.store, "store", fromEnvironment(storeVariable, defaultStore), "`directory` of the store")
	fs.StringVar(&f.policy, "policy", fromEnvironment(policyVariable, ""), "`file` of the policy to open a store with that init made without one")
	fs.StringVar(&f.key, "key", fromEnvironment(keyVariable, ""), "`file` with the key of an encrypted store: 16, 24 or 32 bytes, or as many in hexadecimal")
	fs.StringVar(&f.actor, "actor", fromEnvironment(actorVariable, ""), "`name` of who writes")
	fs.StringVar(&f.role, "role", fromEnvironment(roleVariable, ""), "`role` in which they write")
	fs.StringVar(&f.durability, "durability", fromEnvironment(durabilityVariable, "synced"),
		"`mode` of writing: synced, done when it is on the disk, or relaxed")
	fs.BoolVar(&f.json, "json", false, "print JSON, one object a line")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "log to stderr what happens")
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
	var err error
	if o.Policy, err = e.storePolicy(); err != nil {
		return o, err
	}
	if o.EncryptionKey, err = e.storeKey(); err != nil {
		return o, err
	}
	s, err := readSettings(e.flags.store)
	if err != nil {
		return o, err
	}
	o.Steward = s.Steward
	if e.flags.verbose {
		o.Logger = hclog.New(&hclog.LoggerOptions{Name: "concord", Level: hclog.Debug, Output: e.stderr})
	}
	return o, nil
}

// openStore opens the store that the flags name, which must exist: a mistyped path
// is an error and not a new store.
func (e *env) openStore() (*replica.Replica, error) {
	o, err := e.options()
	if err != nil {
		return nil, err
	}
	if err := checkStore(e.flags.store); err != nil {
		return nil, err
	}
	return e.openReplica(o)
}

// openReplica opens the store, or makes it.
func (e *env) openReplica(o replica.Options) (*replica.Replica, error) {
	r, err := replica.Open(e.flags.store, o)
	if locked, ok := errors.AsType[*replica.LockedError](err); ok {
		return nil, advise(err, "the store %s is open in %s; stop that, or sync with it if it serves", shellQuote(e.flags.store), process(locked.PID))
	}
	if errors.Is(err, replica.ErrKey) {
		return nil, advise(err, "the store %s is encrypted, by another key than --key gives, or its files are damaged", shellQuote(e.flags.store))
	}
	return r, err
}

func process(pid int) string {
	if pid == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d", pid)
}

// withStore opens the store, calls do and closes the store.
func (e *env) withStore(do func(*replica.Replica) error) error {
	r, err := e.openStore()
	if err != nil {
		return err
	}
	return errors.Join(do(r), r.Close())
}

// checkStore reports why dir is not a store that can be opened.
func checkStore(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &noStoreError{dir, "there is no such directory", dir}
	case errors.Is(err, syscall.ENOTDIR):
		return &noStoreError{dir, "it is a file", newDirectory}
	case err != nil:
		return fmt.Errorf("open the store: %w", err)
	case len(entries) == 0:
		return &noStoreError{dir, "the directory is empty", dir}
	}
	for _, entry := range entries {
		if name := entry.Name(); name == "identity.0" || name == "identity.1" {
			return nil
		}
	}
	return &noStoreError{dir, "the directory holds something else", newDirectory}
}

// newDirectory stands for a directory that whoever reads it chooses.
const newDirectory = "NEW-DIRECTORY"

// output is stdout, and remembers that it could not be written: a command that
// printed into a full disk has failed.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
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
