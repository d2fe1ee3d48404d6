package rga

import (
	"bytes"
	"encoding/base64"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

var writeGolden = flag.Bool("rga.golden", false, "write the golden vectors of the present version anew")

// TestGolden reads what this version once wrote, and writes it again: what is
// stored and what travels must be readable for ever.
func TestGolden(t *testing.T) {
	text, other := pair(t, 3)
	dropped := other.Clone()
	v := text.Version()
	dropped.DropDeleted(&v)
	list := NewList()
	h := list.Handle(testOrigin(2))
	for i := range 9 {
		if err := list.Insert(h, i/2, [][]byte{{byte(i)}, bytes.Repeat([]byte("v"), i)}, nil); err != nil {
			t.Fatal(err)
		}
		if err := list.Delete(h, i/3, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	ops := func(seq *sequence) []byte {
		var w codec.Writer
		WriteOps(&w, goldenTable(), slices.Collect(seq.OpsSince(nil)))
		return w.Bytes()
	}
	for _, c := range []struct {
		name    string
		now     []byte
		restore func(t *testing.T, b []byte) []byte
	}{
		{"text", encode(other), restoreText},
		{"text-dropped", encode(dropped), restoreText},
		{"text-empty", encode(NewText()), restoreText},
		{"list", encodeList(list), func(t *testing.T, b []byte) []byte { return encodeList(readList(t, b)) }},
		{"ops-text", ops(&other.sequence), restoreOps(false)},
		{"ops-dropped", ops(&dropped.sequence), restoreOps(false)},
		{"ops-list", ops(&list.sequence), restoreOps(true)},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join("testdata", "v1", c.name+".base64")
			if *writeGolden {
				if err := os.WriteFile(path, wrap(c.now), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			golden, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(file), "\n", ""))
			if err != nil {
				t.Fatal(err)
			}
			if again := c.restore(t, golden); !bytes.Equal(again, golden) {
				t.Errorf("read\n%x, wrote\n%x", golden, again)
			}
			if !bytes.Equal(c.now, golden) {
				t.Errorf("the same history is now written as\n%x, not\n%x", c.now, golden)
			}
		})
	}
}

// goldenTable is the table of origins of the ops.
func goldenTable() *clock.Table {
	var t clock.Table
	for i := range 5 {
		t.Number(testOrigin(i))
	}
	return &t
}

func restoreText(t *testing.T, b []byte) []byte {
	t.Helper()
	r := codec.NewReader(b)
	text := ReadText(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	text.check(t)
	return encode(text)
}

func restoreOps(list bool) func(t *testing.T, b []byte) []byte {
	return func(t *testing.T, b []byte) []byte {
		t.Helper()
		r := codec.NewReader(b)
		ops := ReadOps(r, goldenTable(), list)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		var w codec.Writer
		WriteOps(&w, goldenTable(), ops)
		return w.Bytes()
	}
}

// wrap returns the base64 of b in lines.
func wrap(b []byte) []byte {
	s := base64.StdEncoding.EncodeToString(b)
	var out []byte
	for line := range slices.Chunk([]byte(s), 76) {
		out = append(append(out, line...), '\n')
	}
	return out
}
