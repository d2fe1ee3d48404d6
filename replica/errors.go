package replica

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// Errors of opening a replica.
var (
	// ErrLocked is wrapped by [*LockedError].
	ErrLocked = errors.New("replica: store is open elsewhere")
	// ErrNotReplica means that a directory holds something else.
	ErrNotReplica = errors.New("replica: directory is not a Concord store")
	// ErrKey means that the store is encrypted with another key, or with none.
	ErrKey = errors.New("replica: wrong encryption key")
	// ErrIdentity means that a directory holds another replica than the one that
	// [Options.Identity] names.
	ErrIdentity = errors.New("replica: store of another replica")
)

// Errors of using one.
var (
	ErrClosed   = errors.New("replica: closed")
	ErrNotFound = errors.New("replica: no such record")
	// ErrCorrupt is wrapped by [*CorruptError].
	ErrCorrupt = errors.New("replica: stored data is damaged")
)

// LockedError tells which process has the store open.
type LockedError struct {
	Path string
	PID  int // zero when it could not be read
}

// Error says which process it is, as far as that is known, and what to do.
func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("replica: open %s: %s has it open; close it there, or sync with it over the network", e.Path, who)
}

// Unwrap gives [ErrLocked].
func (e *LockedError) Unwrap() error { return ErrLocked }

// CorruptError tells which row failed its check. Nothing was read from it.
type CorruptError struct {
	Row    string // the kind of row
	Key    []byte
	Scope  string // the scope and record that it belongs to, where they are known
	Record string
	Err    error
}

// Error says which row it is, of which record, and what its check said.
func (e *CorruptError) Error() string {
	of := ""
	if e.Record != "" {
		of = fmt.Sprintf(" of record %q", e.Record)
	}
	if e.Scope != "" {
		of += fmt.Sprintf(" in scope %q", e.Scope)
	}
	return fmt.Sprintf("replica: %s row %s%s is damaged: %v; repair the store", e.Row, hex.EncodeToString(e.Key), of, e.Err)
}

// Unwrap gives [ErrCorrupt] and what the check said.
func (e *CorruptError) Unwrap() []error { return []error{ErrCorrupt, e.Err} }
