package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

func newInspectCommand(e *env) *cobra.Command {
	i := inspector{env: e, shown: map[clock.Dot]bool{}}
	c := &cobra.Command{
		Use:   "inspect FILE|DIR",
		Short: "Show what is in a store's files, or in what stores exchange",
		Long: `Show what is in a file of Concord's, for people who look for a fault:

  a store (a directory)       its rows by kind, and what each scope holds
  identity.0, identity.1      who the replica is; the key is not shown
  witness                     how much the store held at last
  a bundle                    who wrote it, and the changes in it
  one direction of a session  its frames
  a change                    as it is stored and sent

With --scope, show the records of a scope of a store, what was decided about the
scope (settle marks, restamps), and what its members acknowledged; with --record,
all rows of one record, and the changes in them. An encrypted store needs --key.

Nothing is changed. A store that was not closed is read from a copy, which is
removed afterwards.`,
		Example: `  concord inspect concord-store
  concord inspect concord-store --scope patients
  concord inspect concord-store --record patients/bed-7
  concord inspect concord-store/identity.0`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return i.inspect(cmd.Context(), args[0]) },
	}
	c.Flags().StringVar(&i.scope, "scope", "", "show the records of this `scope` of a store")
	c.Flags().StringVar(&i.record, "record", "", "show the rows of this record of a store, `COLLECTION/KEY`")
	return c
}

// inspector shows what is in files.
type inspector struct {
	*env
	scope, record string
	shown         map[clock.Dot]bool // changes of the record, whose fates come after them
}

// maxInspectedBytes is how much of a file is read.
const maxInspectedBytes = 256 << 20

func (i *inspector) inspect(ctx context.Context, path string) error {
	if i.record != "" {
		if _, _, err := splitRecord(i.record); err != nil {
			return err
		}
	}
	info, err := os.Stat(path)
	switch {
	case path == "-":
	case err != nil:
		return fmt.Errorf("inspect: %w", err)
	case info.IsDir():
		return i.store(ctx, path)
	}
	if i.scope != "" || i.record != "" {
		return usageErrorf("--scope and --record are for a store; %s is a file", shellQuote(path))
	}
	in, name, err := i.openInput(path)
	if err != nil {
		return err
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, maxInspectedBytes+1))
	if err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	if len(b) > maxInspectedBytes {
		return fmt.Errorf("inspect: %s is larger than %s", plain(name), showBytes(maxInspectedBytes))
	}
	return i.file(name, b)
}

// form is a kind of file that can be shown. It reports why b is none.
type form struct {
	name string
	show func(i *inspector, name string, b []byte) error
}

var forms = []form{
	{"an identity", (*inspector).identity},
	{"a witness", (*inspector).witness},
	{"frames", (*inspector).frames},
	{"a change", (*inspector).change},
	{"a backup", (*inspector).backup},
}

// file shows a file as what it is, or says what it was looked at as.
func (i *inspector) file(name string, b []byte) error {
	var looked []string
	for _, f := range forms {
		err := f.show(i, name, b)
		if bad, ok := errors.AsType[*notThis](err); ok {
			looked = append(looked, fmt.Sprintf("not %s: %v", f.name, oneLine(bad.error)))
			continue
		}
		return err
	}
	begin := ""
	if len(b) > 0 {
		begin = fmt.Sprintf(" that begin with %x", b[:min(len(b), 12)])
	}
	hint := ""
	if isEngineFile(name) {
		hint = "; it belongs to the engine of a store: inspect the directory above it"
	}
	return fmt.Errorf("nothing known is in %s, %d bytes%s; %s%s", plain(name), len(b), begin, strings.Join(looked, "; "), hint)
}

// notThis says why bytes are not of a form.
type notThis struct{ error }

func isEngineFile(name string) bool {
	base := filepath.Base(name)
	return slices.Contains([]string{"MANIFEST", "KEYREGISTRY", "DISCARD", "LOCK"}, base) ||
		slices.Contains([]string{".mem", ".vlog", ".sst"}, filepath.Ext(base))
}

func (i *inspector) identity(name string, b []byte) error {
	kind, version, err := codec.PeekEnvelope(b)
	if err != nil {
		return &notThis{err}
	}
	id, err := replica.ReadIdentity(b)
	switch {
	case errors.Is(err, codec.ErrMalformed) && kind != "replica":
		return fmt.Errorf("%s is an envelope that holds %q, version %d, %s; it is not shown by itself", plain(name), kind, version, showBytes(uint64(len(b))))
	case err != nil:
		return fmt.Errorf("%s is the identity of a replica, and cannot be read: %w", plain(name), err)
	}
	if i.flags.json {
		return i.printJSON(jsonIdentity(id))
	}
	i.printf("%s: the identity of a replica\n", plain(name))
	i.printIdentity(id)
	i.printf("  the key is here too, and is not shown\n")
	return nil
}

func (i *inspector) printIdentity(id replica.Identity) {
	i.printf("  replica      %v\n  incarnation  %x\n  origin       %s\n", id.Origin.Replica, id.Origin.Incarnation, jsonOrigin(id.Origin))
	i.printf("  written      %d times\n", id.Generation)
	if id.Bound != 0 {
		i.printf("  clock        no stamp after %s was given out\n", showTime(id.Bound.Time()))
	}
	for _, scope := range sortedKeys(id.Offered) {
		i.printf("  offered      %s up to change %d\n", plain(scope), id.Offered[scope])
	}
}

func sortedKeys(m map[string]uint64) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func jsonIdentity(id replica.Identity) map[string]any {
	offered := id.Offered
	if offered == nil {
		offered = map[string]uint64{}
	}
	return map[string]any{
		"what": "identity", "replica": id.Origin.Replica.String(), "incarnation": fmt.Sprintf("%x", id.Origin.Incarnation),
		"origin": jsonOrigin(id.Origin), "generation": id.Generation, "bound": jsonTime(id.Bound), "offered": offered,
	}
}

func (i *inspector) witness(name string, b []byte) error {
	rows, changes, err := replica.ReadWitness(b)
	if err != nil {
		return &notThis{err}
	}
	if i.flags.json {
		return i.printJSON(map[string]any{"what": "witness", "seq": rows, "changes": changes})
	}
	i.printf("%s: a witness\n  the store held %s when it last acknowledged a write; its last row had number %d\n", plain(name), count(changes, "change"), rows)
	return nil
}

// backup recognizes a backup, which is read by restoring it.
func (i *inspector) backup(name string, b []byte) error {
	const before = 5 // the length of the first block, and the version
	if len(b) <= before {
		return &notThis{codec.ErrTruncated}
	}
	kind, _, err := codec.PeekEnvelope(b[before:])
	if err != nil || kind != "replica" {
		return &notThis{errors.New("no identity stands at its front")}
	}
	if i.flags.json {
		return i.printJSON(map[string]any{"what": "backup", "bytes": len(b)})
	}
	i.printf("%s: a backup of a store, %s; what is in it shows once it is restored\n", plain(name), showBytes(uint64(len(b))))
	return nil
}

func (i *inspector) change(name string, b []byte) error {
	c, err := crdt.DecodeChange(b)
	if err != nil {
		return &notThis{err}
	}
	if !i.flags.json {
		i.printf("%s: a change, %s\n", plain(name), showBytes(uint64(len(b))))
	}
	return i.showWhole(c, "", len(b), replica.Applied, "  ")
}

// showWhole shows a change with all its parts, or those of one record.
func (i *inspector) showWhole(c *crdt.Change, scope string, size int, fate replica.Fate, indent string) error {
	if i.flags.json {
		parts := []map[string]any{}
		for n := range c.Parts {
			info := infoOf(c, n, size, fate)
			parts = append(parts, map[string]any{"key": c.Parts[n].Key, "change": jsonChange(info, newPast().describe(info))})
		}
		return i.printJSON(map[string]any{"what": "change", "scope": scope, "dot": jsonDot(c.Dot), "parts": parts})
	}
	line := fmt.Sprintf("%schange %s\n%s  %s  %s", indent, jsonDot(c.Dot), indent, showTime(c.Stamp.Time()), author(c.Author.Actor, c.Author.Role, c.Dot.Origin))
	if in := c.Author.Intent; !in.IsZero() {
		line += "  for " + plain(in.Action) + ":" + plain(in.Key)
	}
	if fate != replica.Applied {
		line += "  " + fate.String()
	}
	i.printf("%s\n", line)
	for n := range c.Parts {
		i.showPart(c, n, scope, indent+"  ")
	}
	if len(c.Extension) > 0 {
		i.printf("%s  with %s that this version does not read\n", indent, showBytes(uint64(len(c.Extension))))
	}
	return nil
}

// infoOf is one part of a change as the history of a record gives it.
func infoOf(c *crdt.Change, n, size int, fate replica.Fate) *replica.ChangeInfo {
	p := &c.Parts[n]
	return &replica.ChangeInfo{
		Dot: c.Dot, Stamp: c.Stamp, Author: c.Author, Fate: fate, Heads: crdt.Dots(p.Heads), Saw: crdt.Dots(p.Saw),
		Birth: p.Birth != nil, Delete: p.Delete != nil, Restore: crdt.Dots(p.Restore), Patch: p.Patch, Bytes: size,
	}
}

func (i *inspector) showPart(c *crdt.Change, n int, scope, indent string) {
	p := &c.Parts[n]
	record := "record " + plain(p.Key)
	if p.Key == crdt.ScopeKey {
		record = "a decision about the scope itself"
	}
	if scope != "" {
		record += " in " + plain(scope)
	}
	i.printf("%s%s\n", indent, record)
	say := func(format string, args ...any) { i.printf("%s  "+format+"\n", append([]any{indent}, args...)...) }
	if p.Birth != nil && p.Key != crdt.ScopeKey {
		say("made the record")
	}
	if p.Delete != nil {
		say("deleted the record, as seen up to %s", p.Delete.Seen.String())
	}
	if len(p.Restore) > 0 {
		say("took back %s", dotNames(crdt.Dots(p.Restore)))
	}
	edits := newPast().describe(infoOf(c, n, 0, replica.Applied))
	for _, x := range edits {
		if p.Key == crdt.ScopeKey {
			say("%s", x.words())
			continue
		}
		say("%s (%v): %s", plain(joinPath(x.path)), x.kind, x.words())
	}
	if len(p.Heads) > 0 {
		say("after %s", dotNames(crdt.Dots(p.Heads)))
	}
	if len(p.Saw) > 0 {
		say("replaces something of %s", dotNames(crdt.Dots(p.Saw)))
	}
}

func dotNames(ds []clock.Dot) string {
	names := make([]string, len(ds))
	for i, d := range ds {
		names[i] = d.String()
	}
	return strings.Join(names, ", ")
}
