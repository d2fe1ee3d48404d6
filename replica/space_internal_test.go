package replica

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/replica/session"
)

// TestSpaceGate walks a disk from ample to full and back.
//
//concord:fault a full disk
func TestSpaceGate(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a")
	limits := SpaceLimits{Soft: 300, Hard: 200, Floor: 100, Ballast: 4096}
	a := openAt(t, dir, Options{Space: limits})
	b := openAt(t, filepath.Join(base, "b"), Options{})
	set(t, b, "from b", 1)
	left := uint64(1 << 30)
	a.space.free = func(string) (uint64, uint64, bool) { return left, 1 << 30, true }
	set(t, a, "k", "ample")

	left = 250
	a.space.look()
	if rep := meet(t, b, a); rep.Sent.Verdicts.Applied != 1 {
		t.Errorf("below soft, a normal change: %+v", rep.Sent.Verdicts)
	}
	if a.space.takes(3) || !a.space.takes(2) {
		t.Error("below soft the lowest class alone is refused")
	}
	left = 150
	a.space.look()
	set(t, b, "from b", 2)
	rep := meet(t, b, a)
	if rep.Sent.Verdicts.Refused != 1 || rep.Items[0].Verdict.Code != session.CodeQuota {
		t.Errorf("below hard: %+v", rep)
	}
	set(t, a, "k", "own writes go on")
	left = 99
	a.space.look()
	err := put(a, "k", "too full")
	full, ok := errors.AsType[*SpaceError](err)
	if !ok || full.Free != 99 || full.Need != 100 || !errors.Is(err, ErrSpace) {
		t.Errorf("below the floor: %v", err)
	}
	if got := read(a, "k"); got != "own writes go on" {
		t.Errorf("reads %v", got)
	}
	left = 10 // what was measured before a write may be gone at its commit
	a.space.level.Store(int32(spaceAmple))
	if err := put(a, "k", "too full"); !errors.Is(err, ErrSpace) {
		t.Errorf("at the commit: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ballast")); err == nil {
		t.Error("the ballast was not given up")
	}
	if got := read(a, "k"); got != "own writes go on" {
		t.Errorf("after a refused commit it reads %v", got)
	}
	left = 1 << 30
	set(t, a, "k", "room again")
	if rep := meet(t, b, a); rep.Sent.Verdicts.Applied != 1 {
		t.Errorf("with room again: %+v", rep.Sent.Verdicts)
	}
	if got := read(a, "from b"); got != int64(2) {
		t.Errorf("shows %v", got)
	}
}

// TestOpenOnAFullDisk gives the ballast up, or says what is missing.
//
//concord:fault a full disk
func TestOpenOnAFullDisk(t *testing.T) {
	g := &spaceGate{dir: t.TempDir(), limits: SpaceLimits{Soft: 300, Hard: 200, Floor: 100, Ballast: 4096}}
	left := uint64(1000)
	g.free = func(string) (uint64, uint64, bool) {
		if _, err := os.Stat(g.ballast()); err == nil {
			return left, 1000, true
		}
		return left + 45, 1000, true
	}
	if err := g.open(); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(g.ballast()); err != nil || fi.Size() != 4096 {
		t.Fatalf("ballast: %v", err)
	}
	left = 10
	if err := g.open(); err != nil {
		t.Errorf("with the ballast given up: %v", err)
	}
	left = 0
	if err := g.open(); !errors.Is(err, ErrSpace) {
		t.Errorf("without: %v", err)
	}
}

// TestRecordLargerThanATransaction is written whole, with its snapshot.
//
//concord:edge large records
func TestRecordLargerThanATransaction(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	a := openAt(t, dir, Options{})
	rnd := rand.New(rand.NewPCG(1, 2))
	var want []string
	for i := range 8 {
		b := make([]byte, 900_000)
		for j := range b {
			b[j] = 'a' + byte(rnd.IntN(26))
		}
		want = append(want, string(b))
		if err := a.Collection("c").Update(t.Context(), "big", func(p *Record) error {
			return p.Register(string(rune('a' + i))).Set(want[i])
		}); err != nil {
			t.Fatal(err)
		}
	}
	shut(t, a)
	a = openAt(t, dir, Options{})
	v, err := a.Collection("c").View(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if v.Values()[string(rune('a'+i))] != want[i] {
			t.Errorf("field %d differs", i)
		}
	}
	if rep, err := a.Verify(t.Context(), nil); err != nil || !rep.OK() {
		t.Errorf("%v, %v", rep.Damage, err)
	}
}

// TestEncryptedStore hides what it holds, and a wrong key harms nothing.
func TestEncryptedStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	key := bytes.Repeat([]byte{7}, 32)
	a := openAt(t, dir, Options{EncryptionKey: key})
	for range 3 {
		set(t, a, "k", "a secret that must not be on the disk")
	}
	shut(t, a)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte("a secret")) {
			t.Errorf("%s holds it in clear", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string][]byte{"other": bytes.Repeat([]byte{8}, 32), "none": nil, "shorter": key[:16]} {
		if r, err := Open(dir, Options{EncryptionKey: wrong}); !errors.Is(err, ErrKey) {
			if err == nil {
				r.Close()
			}
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(dir, Options{EncryptionKey: key[:5]}); err == nil || !strings.Contains(err.Error(), "16, 24 or 32") {
		t.Errorf("a key of five bytes: %v", err)
	}
	a = openAt(t, dir, Options{EncryptionKey: key})
	if got := read(a, "k"); got != "a secret that must not be on the disk" {
		t.Errorf("shows %v", got)
	}
	plain := filepath.Join(t.TempDir(), "plain")
	shut(t, openAt(t, plain, Options{}))
	if _, err := Open(plain, Options{EncryptionKey: key}); !errors.Is(err, ErrKey) {
		t.Errorf("a key for a store without: %v", err)
	}
}
