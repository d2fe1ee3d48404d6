package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

// The exit codes. They are part of the interface: never renumbered.
const (
	exitOK         = 0
	exitFailure    = 1
	exitUsage      = 2
	exitIncomplete = 3
	exitLocked     = 4
	exitNotFound   = 5
	exitNoStore    = 6
	exitDenied     = 7
)

// exitCodes explains them, in order; the help of the root command shows it.
var exitCodes = []struct {
	code int
	name string // the class of the error object that --json gives
	help string
}{
	{exitOK, "", "done"},
	{exitFailure, "failure", "something failed; stderr says what"},
	{exitUsage, "usage", "the command line is wrong"},
	{exitIncomplete, "incomplete", "the session ended well, but some changes were not applied"},
	{exitLocked, "locked", "another process has the store open"},
	{exitNotFound, "not-found", "no such record or field"},
	{exitNoStore, "no-store", "the directory is not a store"},
	{exitDenied, "denied", "the policy does not let this role write so"},
}

// exitCode is the code for an error that a command returned.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*noStoreError](err); ok {
		return exitNoStore
	}
	for _, c := range []struct {
		sentinel error
		code     int
	}{
		{errIncomplete, exitIncomplete},
		{replica.ErrLocked, exitLocked},
		{replica.ErrNotFound, exitNotFound},
		{errNoField, exitNotFound},
		{replica.ErrNotReplica, exitNoStore},
		{merge.ErrNotEntitled, exitDenied},
		{replica.ErrAddress, exitUsage},
	} {
		if errors.Is(err, c.sentinel) {
			return c.code
		}
	}
	return exitFailure
}

var (
	errIncomplete = errors.New("some changes were not applied")
	errNoField    = errors.New("no such field")
	// errTold is a failure that the output of the command tells already.
	errTold       = errors.New("failed, as was told")
	errNotDeleted = errors.New("the record is not deleted")
)

// usageError is a command line that cannot be understood.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usageErrorf(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// noStoreError is a directory that is not a store, and one that could be.
type noStoreError struct{ dir, why, free string }

func (e *noStoreError) Error() string {
	return fmt.Sprintf("no store in %s: %s; name one with --store, or make one with: concord init %s",
		shellQuote(e.dir), e.why, shellQuote(e.free))
}

// shellQuote writes an argument as a shell reads it back.
func shellQuote(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,~", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// advisedError is an error told anew, with what to do about it.
type advisedError struct {
	message string
	cause   error
}

func (e *advisedError) Error() string { return e.message }

// Unwrap gives the cause, which decides the exit code.
func (e *advisedError) Unwrap() error { return e.cause }

func advise(cause error, format string, args ...any) error {
	return &advisedError{fmt.Sprintf(format, args...), cause}
}
