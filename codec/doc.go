// Package codec turns structures into bytes and back. No other package of this
// module knows byte orders, varints or MessagePack: types write themselves
// through a [Writer] and read themselves through a [Reader].
//
// # One encoding for each content
//
// Replicas compare states, digests and signatures byte by byte, so every format
// here is canonical: there is one encoding of each content, writers produce it,
// and decoders refuse all others (a number that is longer than needed, keys out
// of order, a run that could have been joined with the one before). What was
// accepted encodes to the same bytes again.
//
// # Bytes that nobody vouches for
//
// Every decoder takes its limits from the caller before it reads. A length is
// compared with its limit and with what is left of the input before anything
// is allocated by it. No decoder recurses on the nesting of its input before
// that was bounded, none panics, and each is linear in time in the size of its
// input. Errors say what was read, at which byte, and of which class the fault
// is ([ErrTruncated], [ErrLimit], [ErrNotCanonical], [ErrChecksum],
// [ErrVersion], [ErrTrailing], [ErrMalformed]); test for a class with
// errors.Is.
//
// # Which form for what
//
//   - Rows and message bodies: [Writer] and [Reader]. Varints, fixed numbers,
//     blobs and strings in an order that the reader knows. No names, no types,
//     no version: the key of the row or the type of the frame says what it is.
//   - Many rows at once: columns, such as [Writer.UintColumn]. Repetitions and
//     even steps cost nothing, and a cursor reads them without expanding them.
//   - What an application stores in a field: values, by [AppendValue] and
//     [DecodeValue]. They carry their types, in MessagePack.
//   - What is rare, and read by other versions and tools: envelopes, by
//     [AppendEnvelope] and [DecodeEnvelope]. They carry kind, version and
//     checksum.
//   - A stream of messages: frames, by [AppendFrame] and [FrameReader].
//   - Who vouches for a batch of changes: a [BatchHeader], one byte as long as
//     nobody signs.
//
// A checksum here is always CRC32C, most significant byte first. It finds
// damage by disks, memory and links. It is no protection against an adversary.
//
// The package is pure: it knows no files, network, clock, randomness or
// logger. All functions may be called from several goroutines at once; the
// types may not, unless they say so.
package codec
