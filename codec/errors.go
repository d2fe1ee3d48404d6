package codec

import (
	"errors"
	"fmt"
	"strings"
)

// The classes of refusal. Every error of a decoder in this package is one of
// them, or wraps one of them, under [errors.Is].
var (
	// ErrTruncated reports that the input ended before what it announced.
	ErrTruncated = errors.New("codec: input is truncated")
	// ErrLimit reports a length, count, depth or number above the limit that
	// the caller or the format sets. See [LimitError].
	ErrLimit = errors.New("codec: limit exceeded")
	// ErrNotCanonical reports input that can be read but is not the one
	// encoding of what it says.
	ErrNotCanonical = errors.New("codec: encoding is not canonical")
	// ErrChecksum reports a checksum that does not match.
	ErrChecksum = errors.New("codec: checksum does not match")
	// ErrVersion reports a format version that this build does not know. See
	// [VersionError].
	ErrVersion = errors.New("codec: unknown format version")
	// ErrTrailing reports bytes after the end of a complete value.
	ErrTrailing = errors.New("codec: bytes after the end")
	// ErrMalformed reports input that no encoder could have written.
	ErrMalformed = errors.New("codec: malformed input")
)

// DecodeError says where decoding failed: what was being read, at which byte
// of the input, and why. Err is one of the sentinels of this package, a typed
// error that matches one, or an error of the caller (see [Reader.Fail]).
type DecodeError struct {
	What   string
	Offset int
	Err    error
}

// Error returns a message with the subject, the offset and the reason.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("codec: %s at byte %d: %s", e.What, e.Offset, reason(e.Err))
}

// Unwrap returns Err.
func (e *DecodeError) Unwrap() error { return e.Err }

// LimitError reports that What was Got, more than Max. It matches [ErrLimit].
type LimitError struct {
	What     string
	Got, Max uint64
}

// Error returns a message with the subject and both numbers.
func (e *LimitError) Error() string { return "codec: " + e.What + ": " + e.reason() }

// Is reports whether target is [ErrLimit].
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

func (e *LimitError) reason() string {
	return fmt.Sprintf("%d is above the limit of %d", e.Got, e.Max)
}

// VersionError reports that What has format version Got, and that Max is the
// latest this build knows. It matches [ErrVersion].
type VersionError struct {
	What     string
	Got, Max uint64
}

// Error returns a message with the subject and both versions.
func (e *VersionError) Error() string { return "codec: " + e.What + ": " + e.reason() }

// Is reports whether target is [ErrVersion].
func (e *VersionError) Is(target error) bool { return target == ErrVersion }

func (e *VersionError) reason() string {
	return fmt.Sprintf("format version %d is unknown (the latest known is %d)", e.Got, e.Max)
}

// reason returns the text of err without what the surrounding message already
// says: the package, and the subject.
func reason(err error) string {
	switch e := err.(type) {
	case nil:
		return "unknown reason"
	case *LimitError:
		return e.reason()
	case *VersionError:
		return e.reason()
	}
	return strings.TrimPrefix(err.Error(), "codec: ")
}
