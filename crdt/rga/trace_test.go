package rga

import (
	"compress/gzip"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/concord-crdt/concord/clock"
)

// Recorded editing sessions, as published by josephg/editing-traces (CC BY 4.0)
// and josephg/egwalker-paper. CONCORD_TRACES names the folder that has them;
// the tests do with made up ones where there is none.

// trace is a recorded session.
type trace struct {
	EndContent string
	NumAgents  int
	Txns       []struct {
		Parents []int
		Agent   int
		Patches []patch
	}
}

// patch replaces runes.
type patch struct {
	pos, deleted int
	inserted     string
}

func (p *patch) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&p.pos, &p.deleted, &p.inserted})
}

func traceFolder() string {
	if dir := os.Getenv("CONCORD_TRACES"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "..", "shared", "traces")
}

// loadTrace returns a recorded session, or nil if it is not there.
func loadTrace(tb testing.TB, name string) *trace {
	tb.Helper()
	f, err := os.Open(filepath.Join(traceFolder(), name+".json.gz"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	var t trace
	if err := json.NewDecoder(z).Decode(&t); err != nil {
		tb.Fatal(err)
	}
	return &t
}

// needTrace skips a benchmark if its trace is not there.
func needTrace(b *testing.B, name string) *trace {
	b.Helper()
	t := loadTrace(b, name)
	if t == nil {
		b.Skipf("no %s in %s; set CONCORD_TRACES", name, traceFolder())
	}
	return t
}

func (t *trace) patches() []patch {
	var all []patch
	for i := range t.Txns {
		all = append(all, t.Txns[i].Patches...)
	}
	return all
}

// replay makes the edits of a session on a text.
func replay(tb testing.TB, t *Text, h Handle, patches []patch, ops *[]Op) {
	for i := range patches {
		p := &patches[i]
		if p.deleted > 0 {
			if err := t.Delete(h, p.pos, p.deleted, ops); err != nil {
				tb.Fatal(err)
			}
		}
		if p.inserted != "" {
			if err := t.Insert(h, p.pos, p.inserted, ops); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// madeUp returns a session of somebody who types words, corrects them and jumps
// about.
func madeUp(seed uint64, edits int) ([]patch, string) {
	rnd := rand.New(rand.NewPCG(seed, 2))
	var text []rune
	var patches []patch
	caret := 0
	for range edits {
		p := patch{pos: caret}
		switch d := rnd.IntN(20); {
		case d == 0:
			caret = rnd.IntN(len(text) + 1)
			continue
		case d < 5 && caret > 0:
			caret--
			p.pos, p.deleted = caret, 1
		case d == 5:
			p.deleted = rnd.IntN(min(10, len(text)-caret) + 1)
			p.inserted = "paste of some length, "
		default:
			p.inserted = alphabet[rnd.IntN(len(alphabet))]
		}
		runes := []rune(p.inserted)
		rest := append(runes, text[p.pos+p.deleted:]...)
		text = append(text[:p.pos:p.pos], rest...)
		caret = p.pos + len([]rune(p.inserted))
		patches = append(patches, p)
	}
	return patches, string(text)
}

func TestSequentialTraces(t *testing.T) {
	run := func(name string, patches []patch, want string) {
		t.Run(name, func(t *testing.T) {
			text := NewText()
			var ops []Op
			replay(t, text, text.Handle(testOrigin(0)), patches, &ops)
			if text.String() != want {
				t.Fatal("replayed locally: the text differs")
			}
			text.check(t)
			remote := NewText()
			for i := range ops {
				if err := remote.Apply(&ops[i], nil); err != nil {
					t.Fatal(err)
				}
			}
			remote.check(t)
			if remote.String() != want {
				t.Fatal("replayed remotely: the text differs")
			}
			joined := NewText()
			if err := joined.Join(text, nil); err != nil {
				t.Fatal(err)
			}
			joined.check(t)
			read := reload(t, text)
			read.check(t)
			stored := string(encode(text))
			for what, other := range map[string]*Text{"remote": remote, "joined": joined, "read": read, "clone": text.Clone()} {
				other.check(t)
				if string(encode(other)) != stored {
					t.Errorf("%s: stored form differs", what)
				}
			}
			t.Logf("%d patches, %d ops, %d elements, %d spans, %d bytes stored, %d in memory",
				len(patches), len(ops), text.NumElements(), text.NumSpans(), len(stored), text.MemoryBytes())
		})
	}
	patches, want := madeUp(1, some(20_000))
	run("made up", patches, want)
	for i, name := range []string{"sveltecomponent.seq", "rustcode.seq", "seph-blog1.seq", "automerge-paper.seq"} {
		if underRace && i > 0 {
			break
		}
		if tr := loadTrace(t, name); tr != nil {
			run(name, tr.patches(), tr.EndContent)
		}
	}
}

// merge makes the edits of a concurrent session, each on a text that has
// exactly the history of its parents. It returns the ops in the order of the
// transactions.
func (t *trace) merge(tb testing.TB) []Op {
	tb.Helper()
	// The text of an agent goes from one of its transactions to the next, and
	// takes what it lacks of the parents'. So it must never know more than they
	// do: in these sessions an agent is one linear chain.
	texts := make([]*Text, t.NumAgents)
	after := make([]clock.VersionVector, len(t.Txns)) // each transaction's history
	byOrigin := map[clock.Origin][]Op{}
	var all []Op
	for i := range t.Txns {
		txn := &t.Txns[i]
		var want clock.VersionVector
		for _, p := range txn.Parents {
			want.Join(&after[p])
		}
		text := texts[txn.Agent]
		if text == nil {
			text = NewText()
			for _, p := range txn.Parents { // one that is as far is a good start
				q := texts[t.Txns[p].Agent]
				if v := q.Version(); v.Equal(&after[p]) {
					text = q.Clone()
					break
				}
			}
			texts[txn.Agent] = text
		}
		have := text.Version()
		if !want.Covers(&have) {
			tb.Fatalf("transaction %d: its agent knows more than its parents", i)
		}
		catchUp(tb, text, &want, byOrigin)
		origin := testOrigin(txn.Agent)
		var ops []Op
		replay(tb, text, text.Handle(origin), txn.Patches, &ops)
		byOrigin[origin] = append(byOrigin[origin], ops...)
		all = append(all, ops...)
		after[i] = text.Version()
	}
	return all
}

// catchUp applies what a text lacks of a version.
func catchUp(tb testing.TB, text *Text, want *clock.VersionVector, byOrigin map[clock.Origin][]Op) {
	tb.Helper()
	for {
		done := true
		for o, n := range want.All() {
			ops := byOrigin[o]
			for text.Last(o) < n {
				next := text.Last(o) + 1
				// Ops of an origin have consecutive numbers.
				lo, hi := 0, len(ops)
				for lo < hi {
					if mid := (lo + hi) / 2; ops[mid].Seq+ops[mid].Len <= next {
						lo = mid + 1
					} else {
						hi = mid
					}
				}
				if err := text.Apply(&ops[lo], nil); err != nil {
					done = false // it waits for another origin's
					break
				}
			}
		}
		if done {
			return
		}
	}
}

func TestConcurrentTraces(t *testing.T) {
	for i, name := range []string{"friendsforever.conc", "node_nodecc.conc"} {
		if underRace && i > 0 {
			break
		}
		tr := loadTrace(t, name)
		if tr == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			ops := tr.merge(t)
			text := NewText()
			for i := range ops {
				if err := text.Apply(&ops[i], nil); err != nil {
					t.Fatal(err)
				}
			}
			text.check(t)
			if text.String() != tr.EndContent {
				t.Fatal("the text differs")
			}
			reload(t, text).check(t)
			t.Logf("%d ops, %d elements, %d spans, %d bytes stored", len(ops), text.NumElements(), text.NumSpans(), len(encode(text)))
		})
	}
}
