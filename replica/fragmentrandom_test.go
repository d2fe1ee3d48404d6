package replica_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// mapMedium keeps rows and files in memory, and stops working after so many
// groups, as if the process had ended.
type mapMedium struct {
	mu    sync.Mutex
	place uint64
	rows  map[string][]byte
	files map[string][]byte
	keys  []string // sorted; nil: they changed
	fuse  int      // groups that are still written; negative: any number
}

var errFuse = errors.New("the process has ended")

func newMapMedium(place uint64) *mapMedium {
	return &mapMedium{place: place, rows: map[string][]byte{}, files: map[string][]byte{}, fuse: -1}
}

func (m *mapMedium) Engine() (replica.Engine, error) { return m, nil }

func (m *mapMedium) ReadFile(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, ok := m.files[name]; ok {
		return bytes.Clone(b), nil
	}
	return nil, fs.ErrNotExist
}

func (m *mapMedium) WriteFile(name string, b []byte, _ bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fuse == 0 {
		return errFuse
	}
	m.files[name] = bytes.Clone(b)
	return nil
}

func (m *mapMedium) Home() (machine [16]byte, place uint64) { return [16]byte{1}, m.place }

func (m *mapMedium) Space() (free, size uint64, known bool) { return 0, 0, false }

func (m *mapMedium) Get(key []byte) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.rows[string(key)]
	return bytes.Clone(v), ok, nil
}

func (m *mapMedium) sorted() []string {
	if m.keys == nil {
		m.keys = slices.Sorted(maps.Keys(m.rows))
	}
	return m.keys
}

func (m *mapMedium) Scan(prefix, from []byte) iter.Seq2[replica.Row, error] {
	return func(yield func(replica.Row, error) bool) {
		m.mu.Lock()
		keys := m.sorted()
		m.mu.Unlock()
		at, _ := slices.BinarySearch(keys, string(max(string(prefix), string(from))))
		for ; at < len(keys) && bytes.HasPrefix([]byte(keys[at]), prefix); at++ {
			v, ok, _ := m.Get([]byte(keys[at]))
			if ok && !yield(replica.Row{Key: []byte(keys[at]), Value: v}, nil) {
				return
			}
		}
	}
}

func (m *mapMedium) Last(prefix, before []byte) (r replica.Row, found bool, err error) {
	m.mu.Lock()
	keys := m.sorted()
	m.mu.Unlock()
	end := string(before)
	if before == nil {
		end = string(prefix) + "\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	}
	at, _ := slices.BinarySearch(keys, end)
	if at == 0 || !bytes.HasPrefix([]byte(keys[at-1]), prefix) {
		return r, false, nil
	}
	v, _, _ := m.Get([]byte(keys[at-1]))
	return replica.Row{Key: []byte(keys[at-1]), Value: v}, true, nil
}

func (m *mapMedium) At(f func(replica.EngineReader) error) error { return f(m) }

func (m *mapMedium) Commit(groups [][]replica.Row) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range groups {
		if m.fuse == 0 {
			return errFuse
		}
		m.fuse--
		for _, x := range g {
			if _, here := m.rows[string(x.Key)]; here == (x.Value == nil) {
				m.keys = nil
			}
			if x.Value == nil {
				delete(m.rows, string(x.Key))
			} else {
				m.rows[string(x.Key)] = bytes.Clone(x.Value)
			}
		}
	}
	return nil
}

func (m *mapMedium) Sync() error    { return nil }
func (m *mapMedium) Compact() error { return nil }
func (m *mapMedium) Close() error   { return nil }

// prunedRun is a fleet whose members settle, drop history, come new, are cut off
// and crash, at random.
type prunedRun struct {
	*testing.T
	*rand.Rand
	media    []*mapMedium
	options  []replica.Options
	replicas []*replica.Replica
	now      time.Time
	husks    int // changes that came as husks
}

func (f *prunedRun) add() {
	i := len(f.media)
	f.media = append(f.media, newMapMedium(uint64(i)))
	seed := bytes.Repeat([]byte{byte(i + 1)}, 32)
	f.options = append(f.options, replica.Options{
		Policy: wardPolicy, Steward: i == 0, Medium: f.media[i], Identity: seed, Durability: replica.Relaxed,
		HistoryBytes: []int64{1, 1, 600}[f.IntN(3)], CacheBytes: []int{0, 1}[f.IntN(2)], Wall: func() time.Time { return f.now },
		Rand: rand.NewChaCha8([32]byte(seed)),
	})
	f.replicas = append(f.replicas, nil)
	f.open(i)
}

func (f *prunedRun) open(i int) {
	f.Helper()
	f.media[i].fuse = -1
	r, err := replica.Open(fmt.Sprintf("replica %d", i), f.options[i])
	if err != nil {
		f.Fatal(err)
	}
	f.replicas[i] = r
}

func (f *prunedRun) reopen(i int) {
	f.Helper()
	if err := f.replicas[i].Close(); err != nil && f.media[i].fuse != 0 {
		f.Fatal(err)
	}
	f.open(i)
}

// ok fails the test by an error, unless the process has ended.
func (f *prunedRun) ok(i int, err error) {
	f.Helper()
	if err == nil {
		return
	}
	if f.media[i].fuse != 0 {
		f.Fatalf("replica %d: %v", i, err)
	}
	f.reopen(i)
}

func (f *prunedRun) write(i int) {
	key := func() string { return fmt.Sprintf("k%d", f.IntN(5)) }
	edit := func(p *replica.Record) error {
		switch f.IntN(4) {
		case 0:
			return p.Register("dose").Set(f.IntN(100))
		case 1:
			return p.Stock("stock").Add(int64(f.IntN(5)))
		case 2:
			x := p.Text("note")
			if n := x.Len(); n > 4 && f.IntN(2) == 0 {
				return x.Delete(f.IntN(n-3), 2)
			}
			return x.Insert(f.IntN(x.Len()+1), "abc")
		}
		return p.Counter("n").Add(1)
	}
	ctx := f.Context()
	var err error
	switch f.IntN(10) {
	case 0:
		if err = f.replicas[i].Collection("c").Delete(ctx, key()); errors.Is(err, replica.ErrNotFound) {
			err = nil
		}
	case 1, 2:
		err = f.replicas[i].Transact(ctx, "c", func(tx *replica.Tx) error {
			for range 2 {
				p, err := tx.Record(key())
				if err == nil {
					err = edit(p)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	default:
		err = f.replicas[i].Collection("c").Update(ctx, key(), edit)
	}
	f.ok(i, err)
}

// sync holds a session, cut after so many bytes unless it is negative.
func (f *prunedRun) sync(i, j, cut int) {
	f.Helper()
	ca, cb := net.Pipe()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var o replica.SyncOptions
	if f.IntN(2) == 0 {
		o.Session = session.Config{StartChunkBytes: 300, LeastChunkBytes: 100, MostChunkBytes: 300}
	}
	var rb session.Report
	var errb error
	done := make(chan struct{})
	go func() {
		defer close(done)
		rb, errb = f.replicas[j].SyncConn(ctx, cb, o)
	}()
	conn := &cutConn{ca, cut}
	if cut < 0 {
		conn.left = 1 << 40
	}
	ra, erra := f.replicas[i].SyncConn(ctx, conn, o)
	<-done
	for _, rep := range []session.Report{ra, rb} {
		for _, a := range rep.Alarms {
			f.Fatalf("sync of %d and %d: alarm %v in scope %q at %v", i, j, a.Kind, a.Scope, a.Dot)
		}
		if rep.Received.Fragments > 0 {
			f.husks++
		}
	}
	if err := errors.Join(erra, errb); err != nil && cut < 0 && f.media[i].fuse != 0 && f.media[j].fuse != 0 {
		f.Fatalf("sync of %d and %d: %v", i, j, err)
	}
	for _, k := range []int{i, j} {
		if f.media[k].fuse == 0 {
			f.reopen(k)
		}
	}
}

func (f *prunedRun) step() {
	i := f.IntN(len(f.replicas))
	if f.IntN(8) == 0 {
		f.media[i].fuse = f.IntN(12)
	}
	switch n := f.IntN(100); {
	case n < 50:
		f.write(i)
	case n < 75:
		j := f.IntN(len(f.replicas))
		if i == j {
			return
		}
		cut := -1
		if f.IntN(3) == 0 {
			cut = f.IntN(4000)
		}
		f.sync(i, j, cut)
	case n < 83:
		var members []clock.ReplicaID
		for _, r := range f.replicas {
			if len(members) == 0 || f.IntN(3) > 0 {
				members = append(members, r.Origin().Replica)
			}
		}
		_, err := f.replicas[0].Settle(f.Context(), "c", members...)
		f.ok(0, err)
	case n < 90:
		f.ok(i, f.replicas[i].Compact(f.Context()))
	case n < 93 && len(f.replicas) < 6:
		f.add()
	default:
		f.reopen(i)
	}
	f.now = f.now.Add(time.Second)
}

func (f *prunedRun) run() {
	for range 3 {
		f.add()
	}
	for range 60 + f.IntN(60) {
		f.step()
	}
	f.add()
	for i := range f.media {
		f.media[i].fuse = -1
	}
	for range 3 {
		for i := 1; i < len(f.replicas); i++ {
			f.sync(0, i, -1)
		}
	}
	want := f.state(0)
	for i := range f.replicas {
		if diff := cmp.Diff(want, f.state(i)); diff != "" {
			f.Errorf("replica %d (-first +this):\n%s", i, diff)
		}
		if rep, err := f.replicas[i].Verify(f.Context(), nil); err != nil || !rep.OK() {
			f.Errorf("replica %d: %v, %v", i, rep.Damage, err)
		}
		for _, q := range quarantined(f, f.replicas[i]) {
			f.Errorf("replica %d: %v is %v: %v %s", i, q.Dot, q.Fate, q.Code, q.Reason)
		}
		if err := f.replicas[i].Close(); err != nil {
			f.Error(err)
		}
	}
}

// state is all that a replica shows, with the digests.
func (f *prunedRun) state(i int) map[string]any {
	f.Helper()
	got := map[string]any{}
	for v, err := range f.replicas[i].Collection("c").All(f.Context()) {
		if err != nil {
			f.Fatal(err)
		}
		got[v.Key] = v.Values()
		d, err := f.replicas[i].Collection("c").Digest(f.Context(), v.Key)
		if err != nil {
			f.Fatal(err)
		}
		got[v.Key+" digest"] = d
	}
	return got
}

// TestRandomPrunedFleets: whoever drops what, and whoever comes when, all agree.
func TestRandomPrunedFleets(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 20
	}
	husks := 0
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			f := &prunedRun{T: t, Rand: rand.New(rand.NewPCG(seed, 4)), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
			f.run()
			husks += f.husks
		})
	}
	if husks == 0 {
		t.Errorf("only %d sessions brought fragments", husks)
	}
}
