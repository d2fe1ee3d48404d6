package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
)

// ErrSpace is wrapped by [*SpaceError].
var ErrSpace = errors.New("replica: the disk is full")

// SpaceError tells that the disk has too little room left for what was asked.
// Nothing was changed. Reading goes on, and so does writing once there is room.
type SpaceError struct {
	Path string
	Free uint64 // bytes that are left
	Need uint64 // bytes that must be left
}

// Error says how much is free and how much must be, in MiB.
func (e *SpaceError) Error() string {
	return fmt.Sprintf("replica: %s: %d MiB are free on the disk and %d MiB must be; make room, and go on", e.Path, e.Free>>20, e.Need>>20)
}

// Unwrap gives [ErrSpace].
func (e *SpaceError) Unwrap() error { return ErrSpace }

// SpaceLimits say what is still done when the disk runs full, by the bytes that
// are free. The engine ends the process when it meets a full disk, so it must
// never meet one. Zero fields mean the default that their comment gives.
type SpaceLimits struct {
	Soft    uint64 // below it, changes of the lowest priority are refused from peers: a tenth of the disk, but 1 GiB at most, and 32 MiB above Hard at least
	Hard    uint64 // below it, all changes of peers are refused: 32 MiB above Floor
	Floor   uint64 // below it, nothing is written: six memory tables of the profile, 96 MiB by default
	Ballast uint64 // a file that is given up when the disk is full all the same: 32 MiB

	DisableBallast bool
}

func (l *SpaceLimits) defaults(p Profile, disk uint64) {
	if l.Floor == 0 {
		l.Floor = max(48<<20, 6*uint64(p.memTable()))
	}
	if l.Hard == 0 {
		l.Hard = l.Floor + 32<<20
	}
	if l.Soft == 0 {
		l.Soft = max(min(disk/10, 1<<30), l.Hard+32<<20)
	}
	if l.Ballast == 0 {
		l.Ballast = 32 << 20
	}
}

func (l SpaceLimits) validate() error {
	if l.Hard != 0 && l.Hard < l.Floor || l.Soft != 0 && l.Soft < l.Hard {
		return fmt.Errorf("replica: Space limits %d, %d and %d; want Soft above Hard above Floor", l.Soft, l.Hard, l.Floor)
	}
	return nil
}

// spaceLevel is what is still done.
type spaceLevel int32

const (
	spaceAmple spaceLevel = iota
	spaceSoft             // no bulk from peers
	spaceHard             // nothing from peers
	spaceFloor            // no writing
)

// spaceGate watches the disk under a directory. A nil gate lets everything
// through. Safe for concurrent use.
type spaceGate struct {
	dir    string
	limits SpaceLimits
	level  atomic.Int32
	free   func(dir string) (free, size uint64, ok bool) // diskSpace, but for tests and media
	// fileless says that there is no directory for a ballast.
	fileless bool
}

func newSpaceGate(dir string, o *Options) *spaceGate {
	g := &spaceGate{dir: dir, limits: o.Space, free: diskSpace}
	_, size, _ := g.free(dir)
	g.limits.defaults(o.Profile, size)
	return g
}

// look measures what is free. It costs one system call.
func (g *spaceGate) look() (spaceLevel, uint64) {
	free, _, ok := g.free(g.dir)
	level := spaceAmple
	switch {
	case !ok:
	case free < g.limits.Floor:
		level = spaceFloor
	case free < g.limits.Hard:
		level = spaceHard
	case free < g.limits.Soft:
		level = spaceSoft
	}
	g.level.Store(int32(level))
	return level, free
}

// writable refuses a write that has not begun, below the floor. Above it, it
// costs nothing: commits measure.
func (g *spaceGate) writable() error {
	if g == nil || spaceLevel(g.level.Load()) < spaceFloor {
		return nil
	}
	if level, free := g.look(); level == spaceFloor {
		return &SpaceError{g.dir, free, g.limits.Floor}
	}
	return nil
}

// takes reports whether changes of peers, of a class from 0 to 3, are taken.
func (g *spaceGate) takes(class uint8) bool {
	if g == nil {
		return true
	}
	level := spaceLevel(g.level.Load())
	if level != spaceAmple {
		level, _ = g.look()
	}
	return level < spaceSoft || level == spaceSoft && class < 3
}

// commit is asked before so many bytes are written. What was begun above the
// floor may go some way below it; half of the reserve is the engine's.
func (g *spaceGate) commit(bytes uint64) error {
	if g == nil {
		return nil
	}
	level, free := g.look()
	if level < spaceFloor || free >= g.limits.Floor/2+2*bytes {
		return nil
	}
	g.dropBallast()
	return &SpaceError{g.dir, free, g.limits.Floor}
}

// open makes sure that the engine can open its files, giving up the ballast if
// it must.
func (g *spaceGate) open() error {
	_, free := g.look()
	need := g.limits.Floor / 2
	if g.level.Load() == int32(spaceFloor) && free < need {
		if g.dropBallast() {
			_, free = g.look()
		}
		if free < need {
			return &SpaceError{g.dir, free, need}
		}
	}
	if g.level.Load() == int32(spaceAmple) && !g.limits.DisableBallast {
		g.takeBallast()
	}
	return nil
}

func (g *spaceGate) ballast() string { return filepath.Join(g.dir, "ballast") }

// takeBallast allocates the ballast, if it is not there. A store without one
// works as well, until the disk is full.
func (g *spaceGate) takeBallast() {
	if fi, err := os.Stat(g.ballast()); err == nil && uint64(fi.Size()) >= g.limits.Ballast {
		return
	}
	f, err := os.OpenFile(g.ballast(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return
	}
	if err := errors.Join(allocate(f, int64(g.limits.Ballast)), f.Close()); err != nil {
		os.Remove(g.ballast()) // better none than one that holds nothing
	}
}

// dropBallast gives the ballast up, and reports whether there was one.
func (g *spaceGate) dropBallast() bool {
	return !g.fileless && os.Remove(g.ballast()) == nil
}

// writeZeros fills a file where the system cannot allocate without writing.
func writeZeros(f *os.File, bytes int64) error {
	b := make([]byte, 1<<20)
	for bytes > 0 {
		n, err := f.Write(b[:min(bytes, int64(len(b)))])
		if err != nil {
			return err
		}
		bytes -= int64(n)
	}
	return nil
}
