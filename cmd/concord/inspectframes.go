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
	chunks, cerr := chunksIn(fr)
	for n, next := 0, 0; n < len(fr); n++ {
		if perr := i.frame(n, &fr[n]); perr != nil {
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

func (i *inspector) frame(n int, f *codec.Frame) error {
	kind, version, err := codec.PeekEnvelope(f.Body)
	if i.flags.json {
		object := map[string]any{"what": "frame", "frame": n, "type": f.Type, "name": frameName(f.Type), "bytes": len(f.Body), "flags": f.Flags}
		if err == nil {
			object["envelope"], object["version"] = kind, version
		}
		return i.printJSON(object)
	}
	line := fmt.Sprintf("  %4d  %-12s  %s", n, frameName(f.Type), showBytes(uint64(len(f.Body))))
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

// chunksIn reads the chunks among frames. Those of a session are the same as
// those of a bundle, so they are read as one.
func chunksIn(frames []codec.Frame) (chunks []chunk, err error) {
	isBundle := frames[0].Type == bundleFrame
	var stream []byte
	if !isBundle {
		head, err := codec.AppendEnvelope(nil, &session.BundleHead{})
		if err != nil {
			return nil, err
		}
		stream = codec.AppendFrame(nil, codec.Frame{Type: bundleFrame, Body: head})
	}
	whole := 0
	for _, f := range frames {
		if !isBundle && f.Type != chunkFrame {
			continue
		}
		if f.Type == chunkFrame && f.Flags&moreFlag == 0 {
			whole++
		}
		for len(f.Body) > codec.DefaultFrameLimit { // a session may agree on longer frames
			stream = codec.AppendFrame(stream, codec.Frame{Type: f.Type, Flags: f.Flags | moreFlag, Body: f.Body[:codec.DefaultFrameLimit]})
			f.Body = f.Body[codec.DefaultFrameLimit:]
		}
		stream = codec.AppendFrame(stream, f)
	}
	err = session.ReadBundle(bytes.NewReader(stream), func(h session.BundleHead, c session.BundleChunk) error {
		chunks = append(chunks, chunk{h, c})
		return nil
	})
	if !isBundle && len(chunks) == whole {
		err = nil // a session has another end
	}
	return chunks, err
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
