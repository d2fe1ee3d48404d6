package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

// writeFlags are the flags of the commands that write.
type writeFlags struct {
	saw    string
	intent string
}

func (f *writeFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.saw, "saw", "", "`token` of what the writer saw, from get --version-token: what arrived since is not replaced")
	fs.StringVar(&f.intent, "intent", "", "what the change is for, as `ACTION:KEY`: the same one reported twice is one event")
}

// apply tells a record under what circumstances it is written.
func (f *writeFlags) apply() (func(*replica.Record), error) {
	var version *replica.Version
	if f.saw != "" {
		v, err := replica.ParseVersion(f.saw)
		if err != nil {
			return nil, usageErrorf("--saw is no version token; take one from: concord get COLLECTION/KEY --version-token")
		}
		version = &v
	}
	action, key, found := strings.Cut(f.intent, ":")
	if f.intent != "" && (!found || action == "" || key == "") {
		return nil, usageErrorf("--intent is %q; write ACTION:KEY, such as deliver:parcel-42", f.intent)
	}
	return func(p *replica.Record) {
		if version != nil {
			p.Saw(*version)
		}
		if f.intent != "" {
			p.Intent(action, key)
		}
	}, nil
}

// fieldEdit is one thing to do to one field.
type fieldEdit struct {
	path []string
	kind crdt.Type
	do   doing
}

func (x *fieldEdit) apply(p *replica.Record) error {
	in, last := enter(p, x.path)
	return x.do(in, last)
}

// enter follows a path to the container of the field that it names.
func enter(p *replica.Record, path []string) (in container, last string) {
	in = p
	for _, step := range path[:len(path)-1] {
		in = in.Map(step)
	}
	return in, path[len(path)-1]
}

// write makes one change of the edits and tells what was written.
func (e *env) write(ctx context.Context, name string, w *writeFlags, edits []fieldEdit) error {
	var fields []string
	for _, x := range edits {
		fields = append(fields, plain(joinPath(x.path)))
	}
	return e.change(ctx, name, w, "wrote "+plain(name)+": "+strings.Join(fields, ", "),
		func(c *replica.Collection, key string) error { return checkTypes(ctx, c, key, edits) },
		func(p *replica.Record) error {
			for i := range edits {
				if err := edits[i].apply(p); err != nil {
					return err
				}
			}
			return nil
		})
}

// change makes one change of a record, once check allows it, and prints the
// words if it altered something.
func (e *env) change(ctx context.Context, name string, w *writeFlags, words string,
	check func(*replica.Collection, string) error, do func(*replica.Record) error,
) error {
	collection, key, err := splitRecord(name)
	if err != nil {
		return err
	}
	circumstances, err := w.apply()
	if err != nil {
		return err
	}
	return e.withStore(func(r *replica.Replica) error {
		c := r.Collection(collection)
		if err := check(c, key); err != nil {
			return noRecord(err, collection, key)
		}
		v, err := c.UpdateVersion(ctx, key, func(p *replica.Record) error {
			circumstances(p)
			return do(p)
		})
		if errors.Is(err, merge.ErrNotEntitled) && e.flags.role == "" {
			return advise(err, "%v; say in which role you write with --role", err)
		}
		if err != nil {
			return err
		}
		changed := v.String() != replica.Version{}.String()
		switch {
		case e.flags.json && changed:
			return e.printJSON(map[string]any{"record": name, "changed": true, "version": v.String()})
		case e.flags.json:
			return e.printJSON(map[string]any{"record": name, "changed": false})
		case !changed:
			words = plain(name) + " is as it was: there was nothing to change"
		}
		e.printf("%s\n", words)
		return nil
	})
}

// checkTypes refuses to write a field as another type than it has. The two
// would be two fields of one name, of which only one is shown.
func checkTypes(ctx context.Context, c *replica.Collection, key string, edits []fieldEdit) error {
	v, err := c.View(ctx, key)
	if errors.Is(err, replica.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, x := range edits {
		for n := 1; n <= len(x.path); n++ {
			f, found := findField(&v.RecordView, x.path[:n])
			want := crdt.TypeMap
			if n == len(x.path) {
				want = x.kind
			}
			if found && !hasType(f, want) {
				return usageErrorf("field %s is a %v, not a %v; edit it as what it is, or choose another name; see: concord edit --help",
					plain(joinPath(x.path[:n])), f.Type, want)
			}
		}
	}
	return nil
}

func hasType(f *merge.FieldView, want crdt.Type) bool {
	if f.Type == want {
		return true
	}
	for i := range f.Shadowed {
		if f.Shadowed[i].Type == want {
			return true
		}
	}
	return false
}
