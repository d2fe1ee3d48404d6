package scenario_test

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/concord-crdt/concord/proptest/scenario"
)

// The naive world keeps every operation for ever and replays them in a total
// order that respects causality: slow, simple, and right in much. What it gets
// wrong on purpose: it interleaves runs of text that are typed backwards, takes
// stamps from any future, and numbers operations again after a restore. Faults
// are planted into it by name.
type naiveOpener struct {
	faults []string
	opened []*naiveWorld
}

func (*naiveOpener) Capabilities() []scenario.Capability {
	return []scenario.Capability{scenario.CanResetCounter, scenario.CanRestart, scenario.CanRestore, scenario.CanShiftVersion}
}

func (o *naiveOpener) Open(s scenario.Setup) (scenario.World, error) {
	w := &naiveWorld{opener: o, ops: map[opID]*op{}, replicas: map[string]*naive{}}
	for id, name := range s.Replicas {
		w.replicas[name] = newNaive(w, id)
	}
	o.opened = append(o.opened, w)
	return w, nil
}

func (o *naiveOpener) has(fault string) bool { return slices.Contains(o.faults, fault) }

// An opID names an operation; an element of a text has an index in it, too.
type opID struct{ replica, n, index int }

type op struct {
	id      opID
	lamport int
	wall    int64
	deps    map[int]int // per replica the last operation that was applied
	edit    scenario.Edit
	left    opID   // of an insertion
	removes []opID // what was seen of what it replaces or deletes
}

func (o *op) before(p *op) int {
	return cmp.Or(cmp.Compare(o.lamport, p.lamport), cmp.Compare(o.id.replica, p.id.replica))
}

type naiveWorld struct {
	opener   *naiveOpener
	ops      map[opID]*op // messages carry names; everyone finds the content here
	replicas map[string]*naive
	fresh    int
	closed   bool
}

func (w *naiveWorld) Replica(name string) scenario.Replica { return w.replicas[name] }

func (w *naiveWorld) Fresh() (scenario.Replica, error) {
	w.fresh++
	return newNaive(w, 1000+w.fresh), nil
}

func (w *naiveWorld) Sync(from, to string) (int, error) {
	before := len(w.replicas[to].stored)
	w.replicas[to].take(slices.Collect(maps.Keys(w.replicas[from].stored)))
	if w.opener.has("sync flows back") {
		w.replicas[from].take(slices.Collect(maps.Keys(w.replicas[to].stored)))
	}
	if w.opener.has("sync never settles") {
		return 1, nil
	}
	return len(w.replicas[to].stored) - before, nil
}

func (w *naiveWorld) Later(message []byte, versions int) ([]byte, error) {
	body := slices.Clone(message[:len(message)-4])
	body[0] += byte(versions)
	return seal(body), nil
}

func (w *naiveWorld) Close() error {
	w.closed = true
	return nil
}

type naive struct {
	world   *naiveWorld
	id, n   int
	lamport int
	wall    time.Time
	stored  map[opID]bool
	applied map[int]int
	state   *state
}

func newNaive(w *naiveWorld, id int) *naive {
	return &naive{world: w, id: id, stored: map[opID]bool{}, applied: map[int]int{}, state: newState()}
}

func (r *naive) SetWall(t time.Time) { r.wall = t }

func (r *naive) has(fault string) bool { return r.world.opener.has(fault) }

func (r *naive) Edit(_ scenario.Author, e scenario.Edit) (scenario.Change, error) {
	if r.has("panics") {
		panic("planted")
	}
	o := &op{lamport: r.lamport + 1, wall: r.wall.UnixMilli(), deps: maps.Clone(r.applied), edit: e}
	if err := r.state.prepare(o); err != nil {
		if r.has("errors leave traces") {
			r.add(&op{lamport: o.lamport, deps: o.deps, edit: scenario.Edit{Target: scenario.Target{Field: "c"}}})
		}
		return "", err
	}
	if insert, ok := o.edit.Op.(scenario.TextInsert); ok && insert.Text == "" {
		return "", nil
	}
	r.add(o)
	return scenario.Change(fmt.Sprint(o.id)), nil
}

func (r *naive) add(o *op) {
	r.n++
	o.id = opID{replica: r.id, n: r.n}
	r.world.ops[o.id] = o
	r.stored[o.id] = true
	r.lamport = o.lamport
	r.applied[r.id] = r.n
	r.state.apply(o)
}

// take stores operations and applies those whose causes are all here.
func (r *naive) take(ids []opID) {
	fresh := slices.DeleteFunc(slices.Clone(ids), func(id opID) bool { return r.stored[id] })
	if r.has("doubles what comes twice") && len(fresh) == 0 {
		for _, id := range ids {
			r.state.apply(r.world.ops[id])
		}
	}
	if len(fresh) == 0 {
		return
	}
	for _, id := range fresh {
		r.stored[id] = true
	}
	r.replay()
	if r.has("last arrival wins") {
		for _, id := range fresh {
			r.state.favourite = r.world.ops[id]
		}
	}
}

func (r *naive) replay() {
	var ops []*op
	for id := range r.stored {
		ops = append(ops, r.world.ops[id])
	}
	slices.SortFunc(ops, (*op).before)
	r.state, r.applied = newState(), map[int]int{}
	for _, o := range ops {
		if o.id.n != r.applied[o.id.replica]+1 {
			continue
		}
		ready := true
		for replica, n := range o.deps {
			ready = ready && r.applied[replica] >= n
		}
		if ready {
			r.state.apply(o)
			r.applied[o.id.replica] = o.id.n
			r.lamport = max(r.lamport, o.lamport)
		}
	}
}

func (r *naive) Digest() (string, error) {
	if r.has("no digest") {
		return "", errors.New("planted")
	}
	return fmt.Sprintf("%v %d", r.applied, len(r.state.removed)), nil
}

func (r *naive) Delta(since scenario.Mark, own bool) ([]byte, scenario.Mark, error) {
	known, _ := since.(map[opID]bool)
	var ids []opID
	for id := range r.stored {
		if !known[id] && (!own || id.replica == r.id) {
			ids = append(ids, id)
		}
	}
	return message(ids), maps.Clone(r.stored), nil
}

func (r *naive) State() ([]byte, error) { return message(slices.Collect(maps.Keys(r.stored))), nil }

// message is the version, then names, then a checksum.
func message(ids []opID) []byte {
	slices.SortFunc(ids, func(a, b opID) int { return cmp.Or(cmp.Compare(a.replica, b.replica), cmp.Compare(a.n, b.n)) })
	body := []byte{1}
	for _, id := range ids {
		body = fmt.Appendf(body, "%d.%d ", id.replica, id.n)
	}
	return seal(body)
}

func seal(body []byte) []byte {
	sum := crc32.ChecksumIEEE(body)
	return append(body, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
}

func (r *naive) Deliver(m []byte) error {
	if len(m) < 5 || string(seal(slices.Clone(m[:len(m)-4]))) != string(m) {
		if r.has("takes damaged bytes") {
			return nil
		}
		if r.has("refuses without a type") {
			return errors.New("naive: something is wrong")
		}
		return fmt.Errorf("naive: checksum: %w", scenario.ErrRefused)
	}
	if m[0] != 1 && !r.has("takes later versions") {
		return fmt.Errorf("naive: version %d: %w", m[0], scenario.ErrRefused)
	}
	var ids []opID
	for _, name := range strings.Fields(string(m[1 : len(m)-4])) {
		replica, n, _ := strings.Cut(name, ".")
		a, _ := strconv.Atoi(replica)
		b, _ := strconv.Atoi(n)
		ids = append(ids, opID{replica: a, n: b})
	}
	r.take(ids)
	return nil
}

func (r *naive) Restart() error {
	if r.has("a restart forgets") {
		r.state = newState()
		return nil
	}
	r.replay()
	return nil
}

func (r *naive) Backup() (scenario.Backup, error) {
	return naive{n: r.n, lamport: r.lamport, stored: maps.Clone(r.stored)}, nil
}

func (r *naive) Restore(b scenario.Backup) error {
	old := b.(naive)
	r.n, r.lamport, r.stored = old.n, old.lamport, maps.Clone(old.stored)
	r.replay()
	return nil
}

var errEnd = errors.New("naive: beyond the end")

// runes converts a position or length in a unit, from a rune on.
func runes(text []rune, unit string, n int) (int, error) {
	if unit != scenario.UTF16 {
		return n, nil
	}
	for i, r := range text {
		if n <= 0 {
			if n < 0 {
				return 0, errors.New("naive: inside a surrogate pair")
			}
			return i, nil
		}
		n -= utf16.RuneLen(r)
	}
	if n != 0 {
		return 0, errEnd
	}
	return len(text), nil
}
