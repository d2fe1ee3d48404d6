package session

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

var update = flag.Bool("update", false, "write the transcripts in testdata anew; explain the difference in the commit")

// TestTranscripts compares whole sessions with what they were: each frame in
// words and in bytes, and what each side reports. The bytes are the format of
// protocol version 1: a difference in them is a new version.
func TestTranscripts(t *testing.T) {
	for _, c := range []struct {
		name, story string
		stores      func(t *testing.T) (a, b *fakeStore)
		cfg         Config
		then        func(p *pair)
	}{
		{name: "nothing-to-do", story: "Both sides hold the same.",
			stores: func(t *testing.T) (*fakeStore, *fakeStore) {
				a, b := newFake('a'), newFake('b')
				a.writeMany("visits", 2)
				mustSync(t, a, b, Config{}, Config{})
				return a, b
			}},
		{name: "both-ways", story: "a has two changes that b lacks, one of which will wait there; b has one that a lacks.",
			stores: func(t *testing.T) (*fakeStore, *fakeStore) {
				a, b := newFake('a'), newFake('b')
				a.write("visits", "visits/1", "ann")
				b.write("stock", "stock/1", "bob")
				mustSync(t, a, b, Config{}, Config{})
				a.write("visits", "visits/1", "ann")
				a.write("visits", "visits/2", "wait")
				b.write("stock", "stock/2", "bob")
				return a, b
			}},
		{name: "refused", story: "b has no room for the first of two changes; the second is stopped by it.",
			stores: func(t *testing.T) (*fakeStore, *fakeStore) {
				a, b := newFake('a'), newFake('b')
				a.write("visits", "visits/1", "refuse")
				a.write("visits", "visits/2", "ann")
				return a, b
			}},
		{name: "restored", story: "a was restored from a copy of three changes, has written one since, and b remembers five.",
			stores: func(t *testing.T) (*fakeStore, *fakeStore) {
				a, b := newFake('a'), newFake('b')
				a.writeMany("visits", 3)
				r := a.clone()
				a.writeMany("visits", 2)
				mustSync(t, a, b, Config{}, Config{})
				r.write("visits", "visits/new", "ann")
				return r, b
			}},
		{name: "live", story: "Both stay connected. b writes, then a twice; then a is asked to stop.",
			stores: func(t *testing.T) (*fakeStore, *fakeStore) { return newFake('a'), newFake('b') },
			cfg:    Config{Live: true},
			then: func(p *pair) {
				p.b.store.write("visits", "visits/1", "bob")
				p.b.changed = true
				p.run()
				for _, key := range []string{"visits/2", "visits/3"} {
					p.a.store.write("visits", key, "ann")
					p.a.changed = true
					p.run()
				}
				p.a.core.Stop(p.now)
				p.run()
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := c.stores(t)
			p := newPair(a, b, c.cfg, c.cfg)
			var log bytes.Buffer
			fmt.Fprintf(&log, "# %s\n", c.story)
			p.log = &log
			p.start()
			p.run()
			if c.then != nil {
				c.then(p)
			}
			for _, s := range []*side{p.a, p.b} {
				if s.closed == nil {
					t.Fatal("did not end")
				}
				r := s.closed.Report
				fmt.Fprintf(&log, "\n%s: error %v, caught up %v, %d round trips\n", nameOf(s), s.closed.Err, r.CaughtUp, r.RoundTrips)
				for what, tr := range [2]Traffic{r.Sent, r.Received} {
					fmt.Fprintf(&log, "  %s %d bytes, %d frames, %d chunks, %d changes: %+v\n",
						[]string{"sent", "received"}[what], tr.Bytes, tr.Frames, tr.Chunks, tr.Changes.Changes, tr.Verdicts)
				}
				for _, i := range r.Items {
					fmt.Fprintf(&log, "  %s %v %s: %v\n", i.Scope, i.Dot, i.Key, i.Verdict)
				}
			}
			file := filepath.Join("testdata", "v1", c.name+".txt")
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, log.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), log.String()); diff != "" {
				t.Errorf("transcript (-want +got):\n%s", diff)
			}
		})
	}
}

func cond(c bool, yes, no string) string {
	if c {
		return yes
	}
	return no
}

func nameOf(s *side) string { return string(s.store.self.Replica[:1]) }

// tell writes the frames that were just sent.
func tell(log *bytes.Buffer, from *side, stream []byte) {
	r := codec.NewFrameReader(codec.MaxFrameLimit)
	for len(stream) > 0 {
		n := r.Feed(stream)
		stream = stream[n:]
		for {
			f, ok, err := r.Next()
			if err != nil || !ok {
				break
			}
			whole := codec.AppendFrame(nil, f)
			fmt.Fprintf(log, "\n%s says %s\n", nameOf(from), describe(f, from))
			for len(whole) > 0 {
				n := min(32, len(whole))
				fmt.Fprintf(log, "    %x\n", whole[:n])
				whole = whole[n:]
			}
		}
	}
}

// describe says in words what a frame says.
func describe(f codec.Frame, from *side) string {
	short := func(h crdt.Hash) string { return fmt.Sprintf("%x…", h[:3]) }
	switch f.Type {
	case frameHello:
		var h hello
		if err := codec.DecodeEnvelope(f.Body, &h, maxHelloBytes); err != nil {
			return err.Error()
		}
		return fmt.Sprintf("hello: versions %d to %d, %v, %v, live %v, status %s of %d scopes, at %v",
			h.min, h.max, h.self, h.direction, h.live, short(h.digest), h.count, h.wall)
	case frameStatus:
		cfg := Config{}
		cfg.setDefaults()
		list, err := decodeStatus(f.Body, &cfg, from.core.peerHello.self.Replica)
		if err != nil {
			return err.Error()
		}
		var b strings.Builder
		b.WriteString("status:")
		for _, s := range list {
			fmt.Fprintf(&b, " %s has %v, applied %s, fingerprint %s", s.name, &s.stored, short(s.applied), short(s.fingerprint))
			for _, c := range s.chains {
				fmt.Fprintf(&b, ", your %v ends with %s", c.origin, short(c.hash))
			}
			b.WriteString(";")
		}
		return b.String()
	case frameChainQuery:
		q, _ := decodeChainQuery(f.Body)
		return fmt.Sprintf("chain query %d: %s of %v at %v", q.id, q.scope, q.origin, q.ns)
	case frameChainAnswer:
		a, _ := decodeChainAnswer(f.Body)
		var b strings.Builder
		fmt.Fprintf(&b, "chain answer %d:", a.id)
		for _, c := range a.chains {
			fmt.Fprintf(&b, " %v %s", c.Known, short(c.Hash))
		}
		return b.String()
	case frameChunk:
		c, err := from.said.decode(f.Body, 1<<20)
		if err != nil {
			return err.Error()
		}
		var b strings.Builder
		fmt.Fprintf(&b, "chunk %d of %s:", c.number, c.scope)
		for _, r := range c.runs {
			fmt.Fprintf(&b, " %v from %d after %s;", r.origin, r.first, cond(r.continues, "the chunks before", short(r.before)))
		}
		for _, it := range c.items {
			fmt.Fprintf(&b, " %v %s", it.dot, keyOf(it.encoded))
		}
		return b.String()
	case frameAck:
		a, _ := decodeAck(f.Body)
		if a.verdicts == nil {
			return fmt.Sprintf("ack %d: all applied", a.number)
		}
		return fmt.Sprintf("ack %d: %v", a.number, a.verdicts)
	case frameCaughtUp:
		n, _ := decodeCaughtUp(f.Body)
		return fmt.Sprintf("caught up with status %d", n)
	case framePing:
		return "ping"
	case frameBye:
		b, _ := decodeBye(f.Body)
		return fmt.Sprintf("bye: %v %q", b.code, b.reason)
	}
	return fmt.Sprintf("frame of type %d", f.Type)
}
