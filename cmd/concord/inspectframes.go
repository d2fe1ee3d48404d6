package main

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// The types of frames that are looked into, and the flag of one whose message
// goes on in the next.
const (
	chunkFrame  = 6
	bundleFrame = 16
	moreFlag    = 0x02
)

// frameNames are the types of frames, which are never renumbered.
var frameNames = map[byte]string{
	1: "hello", 2: "summary", 3: "status", 4: "chain query", 5: "chain answer", chunkFrame: "chunk",
	7: "ack", 8: "caught up", 9: "ping", 10: "bye", bundleFrame: "bundle head", 17: "bundle end",
}

func frameName(kind byte) string {
	if name, ok := frameNames[kind]; ok {
		return name
	}
	return fmt.Sprintf("type %d", kind)
}

// frames shows a bundle, or what one side of a session sent.
func (i *inspector) frames(name string, b []byte) error {
	fr, err := readFrames(b)
	if len(fr) == 0 {
		if err == nil {
			err = codec.ErrTruncated
		}
		return &notThis{err}
	}
	what := "what one side of a session sent"
	if fr[0].Type == bundleFrame {
		what = "a bundle"
	}
	if !i.flags.json {
		i.printf("%s: %s, %s in %s\n", plain(name), what, showBytes(uint64(len(b))), count(len(fr), "frame"))
	} else if err := i.printJSON(map[string]any{"what": "frames", "bundle": fr[0].Type == bundleFrame, "bytes": len(b), "frames": len(fr)}); err != nil {
		return err
	}
	chunks, cerr := chunksIn(b, fr[0].Type == bundleFrame)
	for n, next := 0, 0; n < len(fr); n++ {
		goesOn := n > 0 && fr[n-1].Flags&moreFlag != 0
		if perr := i.frame(n, &fr[n], goesOn); perr != nil {
			return perr
		}
		if fr[n].Type != chunkFrame || fr[n].Flags&moreFlag != 0 || next >= len(chunks) {
			continue
		}
		if perr := i.chunk(&chunks[next]); perr != nil {
			return perr
		}
		next++
	}
	if err := errors.Join(err, cerr); err != nil {
		return fmt.Errorf("%s cannot be read to its end: %w", plain(name), err)
	}
	return nil
}

// readFrames reads as many frames as are whole.
func readFrames(b []byte) (out []codec.Frame, err error) {
	for f, err := range codec.Frames(bytes.NewReader(b), codec.MaxFrameLimit) {
		if err != nil {
			return out, err
		}
		f.Body = bytes.Clone(f.Body)
		out = append(out, f)
	}
	return out, nil
}

// frame shows one frame; goesOn says that its message began in the one before.
func (i *inspector) frame(n int, f *codec.Frame, goesOn bool) error {
	kind, version, err := codec.PeekEnvelope(f.Body)
	if i.flags.json {
		object := map[string]any{"what": "frame", "frame": n, "type": f.Type, "name": frameName(f.Type), "bytes": len(f.Body), "flags": f.Flags}
		if number, scope, ok := chunkHead(f.Body); f.Type == chunkFrame && !goesOn && ok {
			object["chunk"], object["scope"] = number, scope
		}
		if err == nil {
			object["envelope"], object["version"] = kind, version
		}
		return i.printJSON(object)
	}
	line := fmt.Sprintf("  %4d  %-12s  %s", n, frameName(f.Type), showBytes(uint64(len(f.Body))))
	if number, scope, ok := chunkHead(f.Body); f.Type == chunkFrame && !goesOn && ok {
		line += fmt.Sprintf(", number %d, of %s", number, plain(scope))
	}
	if f.Flags&moreFlag != 0 {
		line += ", goes on"
	}
	if err == nil {
		line += fmt.Sprintf(", %s version %d", plain(kind), version)
	}
	i.printf("%s\n", line)
	return nil
}

// chunk is one message with changes.
type chunk struct {
	head session.BundleHead
	session.BundleChunk
}

// chunksIn reads the chunks of a bundle. Those of a session build on each other,
// and on what both sides had, so there are none.
func chunksIn(b []byte, bundle bool) (chunks []chunk, err error) {
	if !bundle {
		return nil, nil
	}
	err = session.ReadBundle(bytes.NewReader(b), func(h session.BundleHead, c session.BundleChunk) error {
		chunks = append(chunks, chunk{h, c})
		return nil
	})
	return chunks, err
}

// chunkHead reads of a chunk which it is, and of which scope.
func chunkHead(body []byte) (number uint64, scope string, ok bool) {
	r := codec.NewReader(body)
	number = r.Uvarint()
	r.Byte() // whether numbers of origins start anew
	scope = r.String("scope", maxNameBytes)
	return number, scope, r.Err() == nil
}

func (i *inspector) chunk(c *chunk) error {
	const indent = "          "
	if !c.head.From.IsZero() && !i.flags.json {
		i.printf("%sby replica %v, for %s\n", indent, c.head.From.Replica, plain(c.Scope))
	}
	for _, in := range c.Changes {
		if err := i.incoming(c.Scope, &in, indent); err != nil {
			return err
		}
	}
	for _, f := range c.Faults {
		if i.flags.json {
			if err := i.printJSON(map[string]any{"what": "fault", "scope": f.Scope, "dot": jsonDot(f.Dot), "verdict": f.Verdict.String()}); err != nil {
				return err
			}
			continue
		}
		i.printf("%schange %s is unsound: %s\n", indent, jsonDot(f.Dot), defuse(f.Verdict.String()))
	}
	return nil
}

func (i *inspector) incoming(scope string, in *session.Incoming, indent string) error {
	if in.Change == nil || in.Unknown != nil {
		if i.flags.json {
			return i.printJSON(map[string]any{"what": "unknown", "scope": scope, "dot": jsonDot(in.Dot), "bytes": len(in.Encoded)})
		}
		i.printf("%schange %s, %s, of a later version: %v\n", indent, jsonDot(in.Dot), showBytes(uint64(len(in.Encoded))), in.Unknown)
		return nil
	}
	return i.showWhole(in.Change, scope, len(in.Encoded), replica.Applied, indent)
}
