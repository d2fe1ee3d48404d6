package sim

import (
	"bytes"
	"errors"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/concord-crdt/concord/replica"
)

// The errors that a disk gives.
var (
	errDead = errors.New("the process is gone")
	errIO   = errors.New("input/output error")
	errFull = errors.New("no space left on device")
)

// image is what a disk holds: rows by key, and files.
type image struct {
	edits int    // counts what was changed in the rows
	used  uint64 // bytes of the rows
	rows  map[string][]byte
	keys  []string // of rows, in order
	files map[string][]byte
}

func newImage() *image { return &image{rows: map[string][]byte{}, files: map[string][]byte{}} }

func (m *image) clone() *image {
	return &image{m.edits, m.used, maps.Clone(m.rows), slices.Clone(m.keys), maps.Clone(m.files)}
}

// put sets or deletes a row and returns how to take it back.
func (m *image) put(key string, value []byte) undo {
	m.edits++
	old, had := m.rows[key]
	m.used += uint64(len(value)) - uint64(len(old))
	i := sort.SearchStrings(m.keys, key)
	switch {
	case value == nil && had:
		delete(m.rows, key)
		m.keys = slices.Delete(m.keys, i, i+1)
	case value != nil:
		m.rows[key] = value
		if !had {
			m.keys = slices.Insert(m.keys, i, key)
		}
	}
	if !had {
		old = nil
	}
	return undo{key, old}
}

// undo is a row as it was.
type undo struct {
	key string
	old []byte // nil: it was not there
}

// logGroups is how far back the end of the log can be lost.
const logGroups = 64

// disk is a simulated disk with one replica on it. It outlives processes: each
// opening of the engine is a process, and what an earlier one still holds is
// dead.
type disk struct {
	*image
	lazy     bool              // commits are durable only once they are synced
	log      [][]undo          // of the last groups, oldest first
	unsynced int               // how many of them power may take
	loose    map[string][]byte // files as they are on the disk, where what was written last is not

	machine [16]byte
	place   uint64
	free    uint64
	size    uint64
	quota   uint64 // of the rows; 0: none

	process int // number of the one that is running
	fuse    int // writes until the process dies in the middle of one; 0: it does not
	chance  func(n int) int
	torn    bool // a file was cut by a crash
	broken  int  // operations that fail, from now on
	tally   *Counters
	plant   Plant
}

var _ replica.Medium = (*disk)(nil)

const diskBytes = 64 << 30

func newDisk(chance func(int) int, tally *Counters) *disk {
	return &disk{image: newImage(), loose: map[string][]byte{}, free: diskBytes, size: diskBytes, chance: chance, tally: tally}
}

// Engine starts a process.
func (d *disk) Engine() (replica.Engine, error) {
	d.process++
	return &engine{d, d.process}, nil
}

// end is the end of the process, whatever it was doing.
func (d *disk) end() {
	d.process++
	d.fuse, d.broken = 0, 0
}

// powerLoss takes a part of what was not synced, the latest first, and files that
// were not flushed. It reports whether anything was lost.
func (d *disk) powerLoss() bool {
	lost := 0
	if d.unsynced > 0 {
		lost = d.drop(1 + d.chance(d.unsynced))
	}
	d.unsynced = 0
	for _, name := range slices.Sorted(maps.Keys(d.loose)) {
		if d.chance(2) == 0 {
			if d.loose[name] == nil {
				delete(d.files, name)
			} else {
				d.files[name] = d.loose[name]
			}
			lost++
		}
	}
	clear(d.loose)
	return lost > 0
}

// drop takes back the last groups.
func (d *disk) drop(groups int) int {
	n := 0
	for ; n < groups && len(d.log) > 0; n++ {
		last := d.log[len(d.log)-1]
		d.log = d.log[:len(d.log)-1]
		for _, u := range slices.Backward(last) {
			d.put(u.key, u.old)
		}
	}
	d.unsynced = max(0, d.unsynced-n)
	return n
}

// alive reports why a process can do nothing.
func (d *disk) alive(process int) error {
	if process != d.process {
		return errDead
	}
	if d.broken > 0 {
		d.broken--
		d.tally.count(FaultIO)
		return errIO
	}
	return nil
}

// burns reports whether the process dies in the middle of this write.
func (d *disk) burns() bool {
	if d.fuse == 0 {
		return false
	}
	d.fuse--
	return d.fuse == 0
}

// ReadFile implements [replica.Medium].
func (d *disk) ReadFile(name string) ([]byte, error) {
	if d.dead() {
		return nil, errDead
	}
	if err := d.alive(d.process); err != nil {
		return nil, err
	}
	b, ok := d.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(b), nil
}

// WriteFile implements [replica.Medium].
func (d *disk) WriteFile(name string, b []byte, durable bool) error {
	if d.dead() {
		return errDead
	}
	if err := d.alive(d.process); err != nil {
		return err
	}
	if d.free < leastFree {
		d.tally.count(FaultFull)
		return errFull
	}
	if d.plant == PlantMarks && strings.HasPrefix(name, "identity") && len(d.files) > 2 {
		return nil
	}
	old, had := d.files[name]
	if d.burns() {
		// The file was opened, and what is in it is anything between.
		d.files[name] = bytes.Clone(b[:d.chance(len(b)+1)])
		delete(d.loose, name)
		d.torn = true
		d.die()
		return errDead
	}
	d.files[name] = bytes.Clone(b)
	switch _, loose := d.loose[name]; {
	case durable:
		delete(d.loose, name)
	case !loose:
		if !had {
			old = nil
		}
		d.loose[name] = old
	}
	return nil
}

// die ends the process in the middle of what it does.
func (d *disk) die() {
	d.process++
	d.fuse = -1
}

// dead reports whether the process died by itself.
func (d *disk) dead() bool { return d.fuse < 0 }

// leastFree is what the file system keeps for itself.
const leastFree = 1 << 20

// Home implements [replica.Medium].
func (d *disk) Home() (machine [16]byte, place uint64) { return d.machine, d.place }

// Space implements [replica.Medium].
func (d *disk) Space() (free, size uint64, known bool) {
	if d.quota > 0 {
		d.tally.count(FaultQuota)
		return d.quota - min(d.used, d.quota), d.size, true
	}
	if d.free != d.size {
		d.tally.count(FaultFull)
	}
	return d.free, d.size, true
}

// engine is what one process has of a disk.
type engine struct {
	d       *disk
	process int
}

var _ replica.Engine = (*engine)(nil)

func (e *engine) Get(key []byte) (value []byte, found bool, err error) {
	if err := e.d.alive(e.process); err != nil {
		return nil, false, err
	}
	value, found = e.d.rows[string(key)]
	if e.d.plant == PlantRead && found && e.d.chance(200) == 0 {
		for _, u := range slices.Concat(e.d.log...) {
			if u.key == string(key) && u.old != nil {
				return u.old, true, nil
			}
		}
	}
	return value, found, nil
}

// Scan yields the rows that are there when it begins.
func (e *engine) Scan(prefix, from []byte) iter.Seq2[replica.Row, error] {
	return func(yield func(replica.Row, error) bool) {
		if err := e.d.alive(e.process); err != nil {
			yield(replica.Row{}, err)
			return
		}
		if from == nil {
			from = prefix
		}
		keys, p := e.d.keys, string(prefix)
		i := sort.SearchStrings(keys, string(from))
		j := i + sort.Search(len(keys)-i, func(k int) bool { return !strings.HasPrefix(keys[i+k], p) && keys[i+k] > p })
		rows := make([]replica.Row, 0, j-i)
		for _, k := range keys[i:j] {
			rows = append(rows, replica.Row{Key: []byte(k), Value: e.d.rows[k]})
		}
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (e *engine) Last(prefix, before []byte) (r replica.Row, found bool, err error) {
	if err := e.d.alive(e.process); err != nil {
		return r, false, err
	}
	keys, p := e.d.keys, string(prefix)
	i := 0
	if before != nil {
		i = sort.SearchStrings(keys, string(before))
	} else {
		i = sort.Search(len(keys), func(k int) bool { return keys[k] > p && !strings.HasPrefix(keys[k], p) })
	}
	if i == 0 || !strings.HasPrefix(keys[i-1], p) {
		return r, false, nil
	}
	k := keys[i-1]
	return replica.Row{Key: []byte(k), Value: e.d.rows[k]}, true, nil
}

func (e *engine) At(f func(replica.EngineReader) error) error { return f(e) }

func (e *engine) Commit(groups [][]replica.Row) error {
	d := e.d
	if process := e.process; process != d.process {
		return errDead
	}
	n, fault := len(groups), error(nil)
	switch {
	case d.broken > 0:
		d.broken--
		d.tally.count(FaultIO)
		n, fault = d.chance(len(groups)+1), errIO
	case d.free < leastFree:
		d.tally.count(FaultFull)
		return errFull
	case d.burns():
		n, fault = d.chance(len(groups)+1), errDead
	}
	for i, g := range groups[:n] {
		if fault != nil && d.plant == PlantTorn && i == n-1 {
			g = g[:d.chance(len(g)+1)]
		}
		var was []undo
		for _, x := range g {
			was = append(was, d.put(string(x.Key), x.Value))
		}
		d.log = append(d.log, was)
		d.unsynced++
	}
	if fault == errDead {
		d.die()
	}
	if over := len(d.log) - 2*logGroups; over > 0 && d.unsynced <= logGroups {
		d.log = slices.Delete(d.log, 0, over+logGroups)
	}
	if fault == nil && !d.lazy {
		d.settle()
	}
	return fault
}

// settle makes everything durable.
func (d *disk) settle() {
	if d.plant != PlantSync {
		d.unsynced = 0
	}
}

func (e *engine) Sync() error {
	if err := e.d.alive(e.process); err != nil {
		return err
	}
	e.d.settle()
	return nil
}

func (e *engine) Compact() error { return e.d.alive(e.process) }

func (e *engine) Close() error {
	if err := e.d.alive(e.process); err != nil {
		return err
	}
	e.d.settle()
	e.d.process++
	return nil
}
