package session

import (
	"errors"
	"fmt"
	"io"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// A bundle is what one side of a session sends, kept as a file: changes for a
// peer that cannot be reached, by memory stick, mail or queue. It is a stream of
// frames:
//
//	head | chunks | end
//
// The head says who wrote it, in an envelope with the version of the form. The
// chunks are those of a session, numbered from 1. The end counts them and their
// changes, so a bundle that was cut at a frame is found too. Every frame has its
// checksum.
const (
	frameBundle    = 16
	frameBundleEnd = 17
)

// bundleChunkBytes is what a chunk of a bundle weighs at most, unless a single
// change weighs more.
const bundleChunkBytes = 256 << 10

const maxBundleHead = 4 << 10

// ErrBundle is wrapped by every error that refuses a bundle as a whole; the
// cause beside it is one of the codec: [codec.ErrChecksum], [codec.ErrTruncated],
// [codec.ErrVersion] and so on.
var ErrBundle = errors.New("session: bundle refused")

// BundleHead says who wrote a bundle. Its methods make it a [codec.Message].
type BundleHead struct {
	From   clock.Origin
	Wall   clock.Stamp // the author's wall clock
	Policy crdt.Hash   // the policy that it went by
}

// Kind names the form.
func (h *BundleHead) Kind() string { return "bundle" }

// Version is the latest version of the form.
func (h *BundleHead) Version() uint64 { return 1 }

// WriteFields writes the head.
func (h *BundleHead) WriteFields(w *codec.FieldWriter, _ uint64) {
	w.Bytes(h.From.Replica[:])
	w.Uint(h.From.Incarnation)
	w.Uint(uint64(h.Wall))
	w.Bytes(h.Policy[:])
}

// ReadFields reads what WriteFields wrote.
func (h *BundleHead) ReadFields(r *codec.FieldReader, _ uint64) {
	fixedBytes(r, "replica", h.From.Replica[:])
	h.From.Incarnation = r.Uint("incarnation")
	h.Wall = clock.Stamp(r.Uint("wall clock"))
	fixedBytes(r, "policy", h.Policy[:])
}

// BundleWriter writes a bundle. Use [NewBundleWriter]. Not safe for concurrent
// use.
type BundleWriter struct {
	out             io.Writer
	chunks, changes uint64
}

// NewBundleWriter writes the head of a bundle to out.
func NewBundleWriter(out io.Writer, h BundleHead) (*BundleWriter, error) {
	body, err := codec.AppendEnvelope(nil, &h)
	if err != nil {
		return nil, fmt.Errorf("session: write bundle: %w", err)
	}
	w := &BundleWriter{out: out}
	return w, w.write(frameBundle, body)
}

// Write adds changes of one scope, as few chunks as the limits allow. Those of
// one origin must follow each other without a gap, and the first of each must
// have its Before. It is O(bytes), and holds one chunk in memory.
func (w *BundleWriter) Write(scope string, changes []Change) error {
	before := map[clock.Origin]crdt.Hash{}
	for i := range changes {
		ch := &changes[i]
		if h, ok := before[ch.Dot.Origin]; ok {
			ch.Before = h
		}
		before[ch.Dot.Origin] = crdt.Chain(ch.Before, crdt.HashOf(ch.Encoded))
	}
	for len(changes) > 0 {
		n, bytes := 0, 0
		for n < len(changes) && (n == 0 || bytes+len(changes[n].Encoded) <= bundleChunkBytes) {
			bytes += len(changes[n].Encoded)
			n++
		}
		body, n, err := encodeChunk(w.chunks+1, scope, changes[:n])
		if err != nil {
			return fmt.Errorf("session: write bundle: %w", err)
		}
		w.chunks++
		w.changes += uint64(n)
		if err := w.write(frameChunk, body); err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}

// Close writes the end; without it the bundle is refused. It does not close the
// stream below.
func (w *BundleWriter) Close() error {
	end := codec.NewWriter(nil)
	end.Uvarint(w.chunks)
	end.Uvarint(w.changes)
	return w.write(frameBundleEnd, end.Bytes())
}

func (w *BundleWriter) write(kind byte, body []byte) error {
	if _, err := w.out.Write(appendMessage(nil, kind, 0, body, codec.DefaultFrameLimit)); err != nil {
		return fmt.Errorf("session: write bundle: %w", err)
	}
	return nil
}

// appendMessage writes a message as one frame, or as several.
func appendMessage(dst []byte, kind, flags byte, body []byte, limit int) []byte {
	for len(body) > limit {
		dst = codec.AppendFrame(dst, codec.Frame{Type: kind, Flags: flags | flagMore, Body: body[:limit]})
		body = body[limit:]
	}
	return codec.AppendFrame(dst, codec.Frame{Type: kind, Flags: flags, Body: body})
}

// BundleChunk is one chunk of a bundle.
type BundleChunk struct {
	Scope string
	// Changes that are sound in themselves, each origin's in the order of their
	// dots, without gaps. They may be beyond what a store has of the origin.
	Changes []Incoming
	// Faults are those that are not, with what follows them of their origin.
	Faults []Item
}

// ReadBundle reads a bundle and gives each chunk to take, in order; an error of
// take ends it. It returns nil only after the end, with nothing behind it: who
// wants all or nothing reads a bundle twice. It holds one chunk of at most 4 MiB
// in memory, and costs O(bytes).
//
// What is wrong with the bundle is an error that wraps [ErrBundle].
func ReadBundle(stream io.Reader, take func(BundleHead, BundleChunk) error) error {
	r := bundleReader{take: take}
	for f, err := range codec.Frames(stream, codec.DefaultFrameLimit) {
		switch {
		case err == nil:
			err = r.frame(f)
		case errors.Is(err, io.ErrNoProgress):
			return fmt.Errorf("session: read bundle: %w", err)
		default:
			if _, decoding := errors.AsType[*codec.DecodeError](err); !decoding {
				return fmt.Errorf("session: read bundle: %w", err) // the stream's own
			}
			err = fmt.Errorf("%w: %w", ErrBundle, err)
		}
		if err != nil {
			return err
		}
	}
	if !r.ended {
		return fmt.Errorf("%w: it has no end: %w", ErrBundle, codec.ErrTruncated)
	}
	return nil
}

// bundleReader follows the frames of a bundle.
type bundleReader struct {
	take            func(BundleHead, BundleChunk) error
	head            BundleHead
	begun, ended    bool
	partial         []byte
	within          bool // a chunk whose last frame has not come
	chunks, changes uint64
}

func refuseBundle(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrBundle, what, err)
}

func (r *bundleReader) frame(f codec.Frame) error {
	switch {
	case r.ended:
		return refuseBundle("after the end", codec.ErrTrailing)
	case r.within && f.Type != frameChunk, f.Flags&^(flagMore|codec.FlagIgnorable) != 0:
		return refuseBundle("frame", codec.ErrMalformed)
	case !r.begun && f.Type != frameBundle:
		return refuseBundle("it has no head", codec.ErrMalformed)
	case f.Ignorable() && f.Type != frameBundle && f.Type != frameChunk && f.Type != frameBundleEnd:
		return nil
	case f.Type == frameChunk:
		return r.chunk(f)
	case f.Flags != 0:
		return refuseBundle("frame", codec.ErrMalformed)
	case f.Type == frameBundle && !r.begun:
		r.begun = true
		if err := codec.DecodeEnvelope(f.Body, &r.head, maxBundleHead); err != nil {
			return refuseBundle("head", err)
		}
		return nil
	case f.Type == frameBundleEnd:
		r.ended = true
		end := codec.NewReader(f.Body)
		if end.Uvarint() != r.chunks || end.Uvarint() != r.changes {
			end.Fail("end", codec.ErrMalformed)
		}
		if err := end.Close(); err != nil {
			return refuseBundle("end", err)
		}
		return nil
	}
	return refuseBundle(fmt.Sprintf("frame of type %d", f.Type), codec.ErrMalformed)
}

// chunk takes a frame of a chunk, and the chunk when it is whole.
func (r *bundleReader) chunk(f codec.Frame) error {
	var limits Config
	limits.setDefaults()
	if n := len(r.partial) + len(f.Body); n > limits.MaxChunkBytes+maxChunkOverhead {
		return refuseBundle("chunk", &codec.LimitError{What: "chunk", Got: uint64(n), Max: uint64(limits.MaxChunkBytes + maxChunkOverhead)})
	}
	r.partial = append(r.partial, f.Body...)
	if r.within = f.Flags&flagMore != 0; r.within {
		return nil
	}
	ch, err := decodeChunk(r.partial, limits.MaxChunkBytes)
	r.partial = r.partial[:0]
	if err != nil {
		return refuseBundle("chunk", err)
	}
	if r.chunks++; ch.number != r.chunks || ch.scope == "" {
		return refuseBundle("chunk", codec.ErrMalformed)
	}
	r.changes += uint64(len(ch.items))
	verdicts := make([]Verdict, len(ch.items))
	out := BundleChunk{Scope: ch.scope}
	out.Changes, _ = ch.sound(make([]Code, len(ch.runs)), verdicts)
	for i, v := range verdicts {
		if v.Outcome == Refused {
			out.Faults = append(out.Faults, Item{Received: true, Scope: ch.scope, Dot: ch.items[i].dot, Verdict: v})
		}
	}
	return r.take(r.head, out)
}

// Wishes reports whether a scope is among those listed, as in [Config.Scopes].
func Wishes(scopes []string, name string) bool { return wishes(scopes, name) }
