package codec

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"iter"
)

// Limits on the body of a frame, in bytes.
const (
	DefaultFrameLimit = 64 << 10
	MaxFrameLimit     = 1 << 20
)

// FrameVersion is the version of the frame format that this build writes and
// reads. Every frame carries it.
const FrameVersion = 1

// Flags of a frame. The bits in between are free for the protocol that uses
// the frames; they are carried and not looked at.
const (
	// FlagIgnorable marks a frame that a receiver which does not know its type
	// may skip. Without it the receiver must end the session.
	FlagIgnorable = 0x01

	flagBits     = 0x0f // what the user of frames may set
	versionShift = 4    // the upper half holds the format version
)

const (
	frameFixedBytes = 2 + checksumBytes // type, flags, checksum
	checksumBytes   = 4
	// frameReadBytes is what a reader must hold beside the body: the longest
	// length a varint can have, and the fixed part.
	frameReadBytes = binary.MaxVarintLen64 + frameFixedBytes
)

// Frame is one message on an ordered stream of bytes.
//
// On the wire it is: the length of the body as a varint; one byte type; one
// byte with the format version in its upper and the flags in its lower half;
// the body; and the CRC32C of all before it. An empty body makes a frame of 7
// bytes. A later version may change what a body or flag means, not this form.
type Frame struct {
	Type  byte
	Flags byte // the lower four bits
	Body  []byte
}

// Ignorable reports whether a receiver that does not know the type may skip
// the frame.
func (f Frame) Ignorable() bool { return f.Flags&FlagIgnorable != 0 }

// AppendFrame appends the encoding of f to dst. It is O(len(f.Body)).
//
// The body is not checked against a limit: the limit is the receiver's, who
// refuses a longer one.
func AppendFrame(dst []byte, f Frame) []byte {
	start := len(dst)
	dst = binary.AppendUvarint(dst, uint64(len(f.Body)))
	dst = append(dst, f.Type, f.Flags&flagBits|FrameVersion<<versionShift)
	dst = append(dst, f.Body...)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// FrameReader takes the bytes of a stream in pieces of any size and gives out
// the frames in them.
//
//	for len(p) > 0 {
//		p = p[fr.Feed(p):]
//		for {
//			f, ok, err := fr.Next()
//			…
//			if !ok {
//				break
//			}
//		}
//	}
//
// It buffers at most one frame of the largest size and a few bytes, in a buffer
// of at most twice that, and only what has arrived: a length that a peer
// announces allocates nothing. Feed and Next are O(bytes) over the life of the
// stream.
//
// The first error ends the stream, because where the next frame would start is
// not known then. Errors are of type *[DecodeError], with the offset of the
// frame in the stream: [ErrLimit] for a body above the limit, [ErrChecksum] for
// a damaged frame, [ErrVersion] for a frame of another version of the format,
// [ErrNotCanonical] or [ErrMalformed] for a bad length.
//
// Not safe for concurrent use. The zero value has the default limit.
type FrameReader struct {
	limit int // 0 stands for DefaultFrameLimit
	buf   []byte
	start int // of the bytes in buf that were not given out
	past  int // bytes of the stream that were given out
	err   error
}

// NewFrameReader returns a FrameReader that accepts bodies of up to limit
// bytes. A limit of 0 stands for [DefaultFrameLimit]; one above [MaxFrameLimit]
// is lowered to it.
func NewFrameReader(limit int) *FrameReader {
	return &FrameReader{limit: min(max(limit, 0), MaxFrameLimit)}
}

func (r *FrameReader) bodyLimit() int {
	if r.limit == 0 {
		return DefaultFrameLimit
	}
	return r.limit
}

// Feed takes bytes from the front of p and returns how many. It takes fewer
// than all only if complete frames wait to be fetched by Next, or after an
// error; it takes at least one if p is not empty and Next has just returned
// false without an error. It keeps no reference to p.
func (r *FrameReader) Feed(p []byte) int {
	n := min(len(p), r.room())
	if n == 0 {
		return 0
	}
	r.reserve(n)
	r.buf = append(r.buf, p[:n]...)
	return n
}

// room returns how many bytes may still be buffered.
func (r *FrameReader) room() int {
	if r.err != nil {
		return 0
	}
	return r.maxBuffered() - r.Buffered()
}

// maxBuffered returns how many bytes may be buffered at once.
func (r *FrameReader) maxBuffered() int { return r.bodyLimit() + frameReadBytes }

// reserve makes place for n more bytes, at most room. It moves what is buffered
// only if at least as much was given out since the last time, or into a buffer
// of twice the size.
func (r *FrameReader) reserve(n int) {
	live := r.buf[r.start:]
	switch {
	case len(live) > 0 && n <= cap(r.buf)-len(r.buf):
		return
	case len(live) <= r.start && len(live)+n <= cap(r.buf):
		r.buf = r.buf[:copy(r.buf, live)]
	default:
		size := min(max(2*cap(r.buf), len(live)+n), 2*r.maxBuffered())
		r.buf = append(make([]byte, 0, size), live...)
	}
	r.start = 0
}

// Buffered returns how many bytes were taken and not given out in frames.
func (r *FrameReader) Buffered() int { return len(r.buf) - r.start }

// Next returns the next complete frame, or false if more bytes are needed. The
// body is valid until the next call of Feed.
func (r *FrameReader) Next() (Frame, bool, error) {
	if r.err != nil {
		return Frame{}, false, r.err
	}
	b := r.buf[r.start:]
	size, n := binary.Uvarint(b)
	switch {
	case n == 0:
		return Frame{}, false, nil // the length itself is incomplete
	case n < 0:
		return r.refuse("frame length", ErrMalformed)
	case n > 1 && b[n-1] == 0:
		return r.refuse("frame length", ErrNotCanonical)
	case size > uint64(r.bodyLimit()):
		return r.refuse("frame length", &LimitError{What: "frame length", Got: size, Max: uint64(r.bodyLimit())})
	}
	end := n + 2 + int(size)
	if len(b) < end+checksumBytes {
		return Frame{}, false, nil
	}
	if binary.BigEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return r.refuse("frame", ErrChecksum)
	}
	if v := b[n+1] >> versionShift; v != FrameVersion {
		return r.refuse("frame", &VersionError{What: "frame", Got: uint64(v), Max: FrameVersion})
	}
	r.start += end + checksumBytes
	r.past += end + checksumBytes
	return Frame{Type: b[n], Flags: b[n+1] & flagBits, Body: b[n+2 : end : end]}, true, nil
}

func (r *FrameReader) refuse(what string, err error) (Frame, bool, error) {
	r.err = &DecodeError{What: what, Offset: r.past, Err: err}
	r.buf, r.start = nil, 0
	return Frame{}, false, r.err
}

// Close reports whether the stream may end here: it returns the first error, or
// one that wraps [ErrTruncated] if it ends within a frame.
func (r *FrameReader) Close() error {
	if r.err == nil && r.Buffered() > 0 {
		r.refuse("frame", ErrTruncated)
	}
	return r.err
}

// Frames returns the frames of a stream, with bodies of up to limit bytes (as
// for [NewFrameReader]), in order, until the stream ends or fails. The last
// element has an error unless the stream ended between two frames: one of
// [FrameReader], or the stream's own.
//
// A body is valid until the loop asks for the next frame. The sequence can be
// used once. It reads ahead: bytes after the last frame taken are lost.
func Frames(stream io.Reader, limit int) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		r := NewFrameReader(limit)
		for idle := 0; idle < maxIdleReads; idle++ {
			n, err := r.readFrom(stream)
			if n > 0 {
				idle = 0
			}
			for {
				f, ok, ferr := r.Next()
				if ferr != nil {
					yield(Frame{}, ferr)
					return
				}
				if !ok {
					break
				}
				if !yield(f, nil) {
					return
				}
			}
			if err == io.EOF {
				if err = r.Close(); err == nil {
					return
				}
			}
			if err != nil {
				yield(Frame{}, err)
				return
			}
		}
		yield(Frame{}, io.ErrNoProgress)
	}
}

const (
	// maxIdleReads is how often a stream may return neither bytes nor an error.
	maxIdleReads = 100
	// leastReadBytes is how much room a read offers the stream at least.
	leastReadBytes = 4 << 10
)

// readFrom reads from the stream once. All complete frames must have been
// fetched, so that there is room.
func (r *FrameReader) readFrom(stream io.Reader) (int, error) {
	room := r.room()
	r.reserve(min(room, leastReadBytes))
	free := r.buf[len(r.buf):cap(r.buf)]
	n, err := stream.Read(free[:min(len(free), room)])
	r.buf = r.buf[:len(r.buf)+n]
	return n, err
}
