package crash

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/concord-crdt/concord/replica"
)

const (
	collection = "crash"
	keys       = 40
)

// Child is what the other process does: args are those that [Run] appended to
// [Options.Self]. It answers on out.
func Child(ctx context.Context, args []string, out io.Writer) error {
	if len(args) < 2 {
		return errors.New("crash: child: want a task and a directory")
	}
	switch task, dir, rest := args[0], args[1], args[2:]; {
	case task == "write" && len(rest) == 3:
		first, ferr := strconv.ParseUint(rest[1], 10, 64)
		last, lerr := strconv.ParseUint(rest[2], 10, 64)
		if err := errors.Join(ferr, lerr); err != nil {
			return err
		}
		return write(ctx, dir, rest[0], first, last, out)
	case task == "inspect" && len(rest) == 1:
		return json.NewEncoder(out).Encode(inspect(ctx, dir, rest[0]))
	case task == "disk" && len(rest) == 0:
		return json.NewEncoder(out).Encode(fill(ctx, dir))
	}
	return fmt.Errorf("crash: child: unknown task %q", args)
}

func keyOf(n uint64) string { return fmt.Sprintf("k%02d", n%keys) }

// value grows now and then, so that records get snapshots.
func value(n uint64) string {
	return fmt.Sprintf("%d %s", n, strings.Repeat("x", int(n*n%613)))
}

// write changes records, from number first to last, and acknowledges each on a
// line once it is on the disk. It syncs with the peer now and then, and in the
// end, says so by a line with 0, and waits to be killed.
func write(ctx context.Context, dir, peer string, first, last uint64, out io.Writer) error {
	r, err := replica.Open(dir, options())
	if err != nil {
		return err
	}
	c := r.Collection(collection)
	for n := first; n <= last; n++ {
		if err := c.Update(ctx, keyOf(n), func(p *replica.Record) error {
			return p.Register("v").Set(value(n))
		}); err != nil {
			return errors.Join(err, r.Close())
		}
		if _, err := fmt.Fprintf(out, "%d\n", n); err != nil {
			return errors.Join(err, r.Close())
		}
		if n%37 == 0 || n == last {
			if _, err := r.Sync(ctx, peer); err != nil {
				return errors.Join(err, r.Close())
			}
		}
	}
	if _, err := fmt.Fprintln(out, 0); err != nil {
		return errors.Join(err, r.Close())
	}
	<-ctx.Done()
	return errors.Join(ctx.Err(), r.Close())
}

func options() replica.Options {
	return replica.Options{Actor: "crash", Space: replica.SpaceLimits{DisableBallast: true}}
}

// Seen is what a process found in a store.
type Seen struct {
	Refused  string            // the error of opening it
	Values   map[string]string // by key, what is shown
	Corrupt  int               // records that say that they are damaged
	Damage   []string          // as it is reported
	Aside    bool              // the store had to be set aside
	Repaired map[string]string // shown after a repair from the peer
	Left     []string          // damage after it
	Alarms   int               // of the repair's sessions
	Fault    string            // an error that must not be
}

// inspect reads a store, verifies it and repairs it from the peer.
func inspect(ctx context.Context, dir, peer string) (seen Seen) {
	r, err := replica.Open(dir, options())
	if err != nil {
		if !errors.Is(err, replica.ErrCorrupt) {
			seen.Fault = err.Error()
			return seen
		}
		seen.Refused = err.Error()
		if _, err = replica.SetAside(dir); err == nil {
			r, err = replica.Open(dir, options())
		}
		if err != nil {
			return seen // its identity is damaged: nothing can be done with it
		}
		seen.Aside = true
	}
	defer func() {
		if r != nil {
			r.Close()
		}
	}()
	if !seen.Aside {
		seen.Values, seen.Corrupt, err = show(ctx, r)
		if err != nil {
			seen.Fault = err.Error()
			return seen
		}
		rep, err := r.Verify(ctx, nil)
		if err != nil {
			seen.Fault = "verify: " + err.Error()
			return seen
		}
		for _, d := range rep.Damage {
			seen.Damage = append(seen.Damage, d.String())
		}
	}
	rep, err := r.Repair(ctx, peer)
	if !seen.Aside && (errors.Is(err, replica.ErrCorrupt) || err == nil && len(rep.Left) > 0) {
		// The engine's own files are damaged so that no row can cover it.
		seen.Aside = true
		r.Close()
		if _, err = replica.SetAside(dir); err == nil {
			r, err = replica.Open(dir, options())
		}
		if err != nil {
			seen.Fault = "set aside: " + err.Error()
			return seen
		}
		rep, err = r.Repair(ctx, peer)
	}
	if err != nil {
		seen.Fault = "repair: " + err.Error()
		return seen
	}
	for _, d := range rep.Left {
		seen.Left = append(seen.Left, d.String())
	}
	// Once more, with a write of its own: a name used twice would be noticed now.
	if err := r.Collection(collection).Update(ctx, "after", func(p *replica.Record) error {
		return p.Register("v").Set(filepath.Base(filepath.Dir(dir)))
	}); err != nil {
		seen.Fault = "write after the repair: " + err.Error()
		return seen
	}
	s, err := r.Sync(ctx, peer)
	if err != nil {
		seen.Fault = "sync after the repair: " + err.Error()
		return seen
	}
	seen.Alarms = len(rep.Session.Alarms) + len(s.Alarms) + len(s.Items)
	seen.Repaired, _, err = show(ctx, r)
	if err != nil {
		seen.Fault = err.Error()
	}
	return seen
}

// show reads every key.
func show(ctx context.Context, r *replica.Replica) (values map[string]string, corrupt int, err error) {
	values = map[string]string{}
	for n := range uint64(keys) {
		v, err := r.Collection(collection).View(ctx, keyOf(n))
		switch {
		case errors.Is(err, replica.ErrCorrupt):
			corrupt++
		case errors.Is(err, replica.ErrNotFound):
			values[keyOf(n)] = ""
		case err != nil:
			return nil, 0, err
		default:
			values[keyOf(n)], _ = v.Values()["v"].(string)
		}
	}
	return values, corrupt, nil
}

// Filled is what a process found when it filled a disk.
type Filled struct {
	Written int  // changes, until the disk was full
	Typed   bool // the error was [replica.ErrSpace]
	Read    bool // everything could be read with the gate closed
	ReadAll bool // everything could be read with no byte left on the disk
	Again   bool // writing went on when there was room
	Fault   string
}

// settle waits until the engine has no work left that takes room: a process that
// takes the last bytes of a disk while it has can end it.
func settle(ctx context.Context, dir string) error {
	size := func() (n int64, err error) {
		err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return ignoreGone(err)
			}
			fi, err := d.Info()
			if err == nil {
				n += fi.Size()
			}
			return ignoreGone(err)
		})
		return n, err
	}
	last, still := int64(-1), 0
	for still < 10 {
		n, err := size()
		if err != nil {
			return err
		}
		if still++; n != last {
			last, still = n, 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// ignoreGone passes over a file that the engine has just removed.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// fill writes until the disk under dir is full, lets another file take the rest,
// and makes room again.
func fill(ctx context.Context, dir string) (f Filled) {
	room := filepath.Join(dir, "room")
	if err := os.WriteFile(room, make([]byte, 32<<20), 0o600); err != nil {
		f.Fault = err.Error()
		return f
	}
	r, err := replica.Open(filepath.Join(dir, "store"), replica.Options{Durability: replica.Relaxed})
	if err != nil {
		f.Fault = err.Error()
		return f
	}
	defer r.Close()
	rnd := rand.New(rand.NewPCG(1, 1))
	c := r.Collection(collection)
	var last []string
	put := func(n int) error {
		b := make([]byte, 6000)
		for i := range b {
			b[i] = 'a' + byte(rnd.IntN(26))
		}
		err := c.Update(ctx, fmt.Sprint(n), func(p *replica.Record) error { return p.Register("v").Set(string(b)) })
		if err == nil {
			last = append(last, string(b))
		}
		return err
	}
	for err == nil {
		err = put(f.Written)
		if err == nil {
			f.Written++
		}
	}
	f.Typed = errors.Is(err, replica.ErrSpace)
	readable := func() bool {
		for n := 0; n < f.Written; n += 7 {
			v, err := c.View(ctx, fmt.Sprint(n))
			if err != nil || v.Values()["v"] != last[n] {
				return false
			}
		}
		return true
	}
	f.Read = readable()
	if err := settle(ctx, dir); err != nil {
		f.Fault = err.Error()
		return f
	}
	hog, err := os.Create(filepath.Join(dir, "hog"))
	if err != nil {
		f.Fault = err.Error()
		return f
	}
	w := bufio.NewWriterSize(hog, 1<<16)
	b := make([]byte, 1<<16)
	for err == nil {
		_, err = w.Write(b)
	}
	err = hog.Close()
	f.ReadAll = readable() && put(f.Written) != nil
	if err := errors.Join(err, os.Remove(hog.Name()), os.Remove(room)); err != nil {
		f.Fault = err.Error()
		return f
	}
	if err := put(f.Written); err != nil {
		f.Fault = err.Error()
		return f
	}
	f.Again = true
	return f
}
