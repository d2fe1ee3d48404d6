package crash

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-crdt/concord/replica"
)

// Kind is a way to hurt a store.
type Kind string

// The kinds.
const (
	Kill     Kind = "kill"     // the writing process is killed
	Clone    Kind = "clone"    // the files of a running store, with their unsynced tails cut or zeroed
	Flip     Kind = "flip"     // one bit of one file is turned
	Truncate Kind = "truncate" // one file is cut
	Disk     Kind = "disk"     // the disk is filled
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Kill, Clone, Flip, Truncate, Disk} }

// Options say what [Run] does.
type Options struct {
	Dir    string   // for stores; emptied as it goes
	Self   []string // the command that calls [Child] with the arguments that follow
	Rounds int      // of each kind
	Kinds  []Kind   // nil: all
	Seed   uint64
	Round  func(Kind, Outcome) // told of each round; may be nil
}

// Outcome is what one round found. The faults are in Faults; the rest says what
// happened.
type Outcome struct {
	Harm         string // what was done, and where
	Acknowledged int    // changes that must not be lost
	Unaffected   bool   // everything was shown as it was written, and verified
	Detected     bool   // the damage was reported
	Died         bool   // the engine ended the process that opened the store
	Death        string // what it said
	Refused      bool   // the store could not be opened, and said so
	Repaired     bool   // everything was back after a repair from the peer
	Aside        bool   // for that the store had to be set aside
	Left         string // what a repair did not bring back
	Skipped      string // why the round could not be run
	Faults       []string
}

// Tally counts outcomes.
type Tally struct {
	Rounds, Acknowledged, Unaffected, Detected, Died, Refused, Repaired, Aside, Skipped int
	Faults                                                                              []string
	Why                                                                                 string // of those skipped
}

func (t *Tally) add(o Outcome) {
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	t.Rounds++
	t.Acknowledged += o.Acknowledged
	count(&t.Unaffected, o.Unaffected)
	count(&t.Detected, o.Detected)
	count(&t.Died, o.Died)
	count(&t.Refused, o.Refused)
	count(&t.Repaired, o.Repaired)
	count(&t.Aside, o.Aside)
	count(&t.Skipped, o.Skipped != "")
	t.Why = o.Skipped
	for _, f := range o.Faults {
		t.Faults = append(t.Faults, o.Harm+": "+f)
	}
}

// Run does rounds of each kind and counts what they found. An error means that
// the engine itself could not go on; what stores did wrong is in Faults.
func Run(ctx context.Context, o Options) (map[Kind]*Tally, error) {
	if o.Kinds == nil {
		o.Kinds = Kinds()
	}
	e := &engine{Options: o, rnd: rand.New(rand.NewPCG(o.Seed, 0x63726173))}
	tallies := map[Kind]*Tally{}
	for _, k := range o.Kinds {
		round, ok := map[Kind]func(context.Context, string) (Outcome, error){
			Kill: e.kill, Clone: e.clone, Flip: e.flip, Truncate: e.truncate, Disk: e.disk,
		}[k]
		if !ok {
			return nil, fmt.Errorf("crash: unknown kind %q; want some of %v", k, Kinds())
		}
		t := &Tally{}
		tallies[k] = t
		for n := range o.Rounds {
			dir := filepath.Join(o.Dir, fmt.Sprintf("%s-%d", k, n))
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return nil, err
			}
			out, err := round(ctx, dir)
			if err != nil {
				return nil, fmt.Errorf("crash: %s, round %d: %w", k, n, err)
			}
			t.add(out)
			if o.Round != nil {
				o.Round(k, out)
			}
			if err := os.RemoveAll(dir); err != nil {
				return nil, err
			}
			if out.Skipped != "" {
				break
			}
		}
	}
	return tallies, nil
}

type engine struct {
	Options
	rnd *rand.Rand
}

// peer is a replica that answers in this process.
type peer struct {
	r       *replica.Replica
	address string
	stop    context.CancelFunc
	ended   chan error
}

func openPeer(ctx context.Context, dir string) (*peer, error) {
	o := options()
	o.Durability = replica.Relaxed
	r, err := replica.Open(dir, o)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	ctx, stop := context.WithCancel(ctx)
	p := &peer{r, l.Addr().String(), stop, make(chan error, 1)}
	go func() { p.ended <- r.Serve(ctx, l, replica.SyncOptions{}, nil) }()
	return p, nil
}

func (p *peer) close() error {
	p.stop()
	return errors.Join(<-p.ended, p.r.Close())
}

// writer is the process that writes.
type writer struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	errs  *strings.Builder
}

func (e *engine) writer(ctx context.Context, dir, peer string, first, last uint64) (*writer, error) {
	w := &writer{cmd: e.command(ctx, "write", dir, peer, fmt.Sprint(first), fmt.Sprint(last)), errs: &strings.Builder{}}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.cmd.Stderr = w.errs
	w.lines = bufio.NewScanner(out)
	return w, w.cmd.Start()
}

func (e *engine) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, e.Self[0], append(slices.Clone(e.Self[1:]), args...)...)
}

// acks reads n acknowledgements and returns the last.
func (w *writer) acks(n int) (last uint64, err error) {
	for range n {
		if !w.lines.Scan() {
			return 0, fmt.Errorf("the writer ended: %s", w.errs)
		}
		if last, err = strconv.ParseUint(w.lines.Text(), 10, 64); err != nil {
			return 0, err
		}
	}
	return last, nil
}

// kill ends the process and returns the last number that it acknowledged, which
// is at least last.
func (w *writer) kill(last uint64) uint64 {
	w.cmd.Process.Kill()
	for w.lines.Scan() {
		if n, err := strconv.ParseUint(w.lines.Text(), 10, 64); err == nil {
			last = max(last, n)
		}
	}
	w.cmd.Wait()
	return last
}

// checkValues wants each key to show the last acknowledged number, or a later
// one, that was on its way when the process ended.
func checkValues(values map[string]string, last uint64) (faults []string) {
	for n := last; n > 0 && n+keys > last; n-- {
		got, _, _ := strings.Cut(values[keyOf(n)], " ")
		if m, _ := strconv.ParseUint(got, 10, 64); m < n {
			faults = append(faults, fmt.Sprintf("%s shows %q, and %d was acknowledged", keyOf(n), got, n))
		} else if values[keyOf(n)] != value(m) {
			faults = append(faults, fmt.Sprintf("%s shows what was never written", keyOf(n)))
		}
	}
	return faults
}

// kill kills the writer twice, and looks at what is there.
func (e *engine) kill(ctx context.Context, dir string) (out Outcome, err error) {
	p, err := openPeer(ctx, filepath.Join(dir, "peer"))
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	store := filepath.Join(dir, "store")
	last := uint64(0)
	for range 2 {
		w, err := e.writer(ctx, store, p.address, last+1, last+1000)
		if err != nil {
			return out, err
		}
		n, err := w.acks(1 + e.rnd.IntN(150))
		if err != nil {
			return out, err
		}
		time.Sleep(time.Duration(e.rnd.IntN(3000)) * time.Microsecond)
		last = w.kill(n)
	}
	out.Harm = fmt.Sprintf("killed after %d", last)
	out.Acknowledged = int(last)
	seen, died, err := e.inspect(ctx, store, p.address)
	if err != nil || died {
		out.Died = died
		out.Faults = append(out.Faults, "the engine ended the process")
		return out, err
	}
	out.judge(seen)
	out.Faults = append(out.Faults, checkValues(seen.Values, last)...)
	if len(seen.Damage) > 0 {
		out.Faults = append(out.Faults, fmt.Sprintf("damage without harm: %q", seen.Damage))
	}
	out.Unaffected = len(out.Faults) == 0
	return out, nil
}

// clone takes the files of a store as they are while it is written, after a
// moment from which everything acknowledged is synced, and drops or zeroes what
// its logs got since.
func (e *engine) clone(ctx context.Context, dir string) (out Outcome, err error) {
	p, err := openPeer(ctx, filepath.Join(dir, "peer"))
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	store, cloned := filepath.Join(dir, "store"), filepath.Join(dir, "cloned")
	w, err := e.writer(ctx, store, p.address, 1, 1000)
	if err != nil {
		return out, err
	}
	last, err := w.acks(20 + e.rnd.IntN(100))
	if err != nil {
		return out, err
	}
	ends, err := logEnds(filepath.Join(store, "data"))
	if err != nil {
		return out, err
	}
	if _, err := w.acks(1 + e.rnd.IntN(20)); err != nil {
		return out, err
	}
	w.kill(last)
	if err := copyTree(store, cloned); err != nil {
		return out, err
	}
	zero := e.rnd.IntN(2) == 0
	out.Harm = fmt.Sprintf("logs cut behind %d (zeroed: %v)", last, zero)
	for path, from := range ends {
		if err := e.dropTail(filepath.Join(cloned, "data", path), from, zero); err != nil {
			return out, err
		}
	}
	out.Acknowledged = int(last)
	seen, died, err := e.inspect(ctx, cloned, p.address)
	if err != nil || died {
		out.Died = died
		out.Faults = append(out.Faults, "the engine ended the process")
		return out, err
	}
	out.judge(seen)
	out.Detected = len(seen.Damage) > 0
	out.Unaffected = !out.Detected
	out.Faults = append(out.Faults, checkValues(seen.Values, last)...)
	out.Faults = append(out.Faults, checkValues(seen.Repaired, last)...)
	return out, nil
}

// judge takes over what an inspection found.
func (o *Outcome) judge(s Seen) {
	if s.Fault != "" {
		o.Faults = append(o.Faults, s.Fault)
	}
	if s.Alarms > 0 {
		o.Faults = append(o.Faults, fmt.Sprintf("%d alarms or refusals: a name may stand for two contents", s.Alarms))
	}
	o.Refused = s.Refused != ""
}

// flip turns a bit of a store at rest.
func (e *engine) flip(ctx context.Context, dir string) (Outcome, error) {
	return e.harm(ctx, dir, func(path string, b []byte) (string, []byte) {
		at, bit := e.rnd.IntN(len(b)), e.rnd.IntN(8)
		b[at] ^= 1 << bit
		return fmt.Sprintf("%s: bit %d of byte %d turned", path, bit, at), b
	})
}

// truncate cuts a file of a store at rest.
func (e *engine) truncate(ctx context.Context, dir string) (Outcome, error) {
	return e.harm(ctx, dir, func(path string, b []byte) (string, []byte) {
		n := e.rnd.IntN(len(b))
		return fmt.Sprintf("%s: cut to %d of %d bytes", path, n, len(b)), b[:n]
	})
}

// harm changes one file of a store that a peer has all of, and looks at what it
// shows before and after a repair.
func (e *engine) harm(ctx context.Context, dir string, change func(string, []byte) (string, []byte)) (out Outcome, err error) {
	p, err := openPeer(ctx, filepath.Join(dir, "peer"))
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	store := filepath.Join(dir, "store")
	last := uint64(100 + e.rnd.IntN(200))
	w, err := e.writer(ctx, store, p.address, 1, last)
	if err != nil {
		return out, err
	}
	_, err = w.acks(int(last) + 1)
	w.kill(last)
	if err != nil {
		return out, err
	}
	// Half of the stores stay as the kill left them, with all in the log; half
	// are closed in good order, with all in tables.
	if e.rnd.IntN(2) == 0 {
		r, err := replica.Open(store, options())
		if err != nil {
			return out, err
		}
		if err := r.Close(); err != nil {
			return out, err
		}
	}
	want, _, err := show(ctx, p.r)
	if err != nil {
		return out, err
	}
	files, err := contents(store)
	if err != nil {
		return out, err
	}
	// Every other time it is a file with rows.
	if rows := slices.DeleteFunc(slices.Clone(files), func(path string) bool {
		return !strings.HasSuffix(path, ".mem") && !strings.HasSuffix(path, ".sst")
	}); len(rows) > 0 && e.rnd.IntN(2) == 0 {
		files = rows
	}
	path := files[e.rnd.IntN(len(files))]
	b, err := os.ReadFile(filepath.Join(store, path))
	if err != nil {
		return out, err
	}
	size := len(b)
	harm, b := change(path, b[:used(b)])
	out.Harm = harm
	if len(b) > 0 && strings.HasSuffix(path, ".mem") && !strings.Contains(harm, "cut") {
		b = append(b, make([]byte, size-len(b))...)
	}
	if err := os.WriteFile(filepath.Join(store, path), b, 0o600); err != nil {
		return out, err
	}
	out.Acknowledged = int(last)
	seen, died, err := e.inspect(ctx, store, p.address)
	if err != nil {
		return out, err
	}
	if died {
		out.Died, out.Death = true, seen.Fault
		return out, nil
	}
	out.judge(seen)
	reported := len(seen.Damage) > 0 || seen.Corrupt > 0
	out.Detected = reported || out.Refused
	out.Aside = seen.Aside
	for k, v := range seen.Values {
		if v != want[k] && !reported {
			out.Faults = append(out.Faults, fmt.Sprintf("%s shows %.20q for %.20q, and no damage is reported", k, v, want[k]))
		}
	}
	out.Unaffected = !out.Detected && len(out.Faults) == 0
	out.Repaired = out.Detected && len(seen.Left) == 0 && seen.Repaired != nil
	for k, v := range seen.Repaired {
		out.Repaired = out.Repaired && v == want[k]
	}
	if out.Detected && !out.Repaired {
		out.Left = fmt.Sprintf("%.300q; refused: %q", seen.Left, seen.Refused)
	}
	return out, nil
}

// disk fills a small disk of its own.
func (e *engine) disk(ctx context.Context, dir string) (out Outcome, err error) {
	out.Harm = "filled the disk"
	self := append(slices.Clone(e.Self), "disk", dir)
	script := `mount -t tmpfs -o size=192m tmpfs "$0" && exec "$@"`
	c := exec.CommandContext(ctx, "unshare", append([]string{"-Urm", "sh", "-c", script, dir}, self...)...)
	if err := exec.CommandContext(ctx, "unshare", "-Urm", "sh", "-c", `mount -t tmpfs tmpfs "$0"`, dir).Run(); err != nil {
		out.Skipped = fmt.Sprintf("no disk of its own can be mounted: unshare -Urm and mount: %v", err)
		return out, nil
	}
	var errs strings.Builder
	c.Stderr = &errs
	b, err := c.Output()
	if err != nil {
		out.Died = true
		out.Faults = append(out.Faults, fmt.Sprintf("the process ended: %v: %.300s", err, errs.String()))
		return out, nil
	}
	var f Filled
	if err := json.Unmarshal(b, &f); err != nil {
		return out, err
	}
	out.Acknowledged, out.Detected = f.Written, f.Typed
	for what, ok := range map[string]bool{
		"the error of a full disk is not typed": f.Typed, "reading stopped at the gate": f.Read,
		"reading stopped on the full disk": f.ReadAll, "writing did not go on": f.Again,
	} {
		if !ok {
			out.Faults = append(out.Faults, what+" "+f.Fault)
		}
	}
	out.Repaired = f.Again
	return out, nil
}

// inspect lets another process look at a store.
func (e *engine) inspect(ctx context.Context, store, peer string) (seen Seen, died bool, err error) {
	b, err := e.command(ctx, "inspect", store, peer).Output()
	if x, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		return Seen{Fault: string(x.Stderr)}, true, nil
	}
	if err != nil {
		return seen, false, err
	}
	return seen, false, json.Unmarshal(b, &seen)
}
