package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

func newImportCommand(e *env) *cobra.Command {
	var dry bool
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Read records from JSON lines",
		Long: `Read records from FILE, or with - from the standard input: one record in a line,
as concord export writes it. Each becomes an ordinary change, by --actor and
--role, that makes the fields which the line names show what it says; other
fields are left alone. What shows it already is not changed, so importing a
file twice does no harm.

` + portableHelp + `
A line that cannot be imported is reported with its number and the reason, and
the others are imported; the exit code is then 3. With --dry-run every line is
checked and none is written.

Of a log the entries get the time of the import and its author. Of a bounded
counter this store gets all rights.`,
		Example: `  concord import ward.jsonl --dry-run
  concord import ward.jsonl --actor ada --role admin
  concord --store old export | concord --store new import -`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, name, err := e.openInput(args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			return e.withStore(func(r *replica.Replica) error {
				i := importer{env: e, r: r, name: name, dry: dry}
				return i.all(cmd.Context(), in)
			})
		},
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "check every line and write nothing")
	return c
}

// openInput opens a file, or the standard input for a dash; name is for messages.
func (e *env) openInput(path string) (in io.ReadCloser, name string, err error) {
	if path == "-" {
		return io.NopCloser(e.stdin), "standard input", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("read: %w", err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, "", usageErrorf("%s is a directory; name a file of JSON lines", shellQuote(path))
	}
	return f, path, nil
}

// importer reads lines into a store, and counts what became of them.
type importer struct {
	*env
	r    *replica.Replica
	name string // of the file
	dry  bool

	made, changed, same, refused int
}

// maxLineBytes is more than a change can take: its JSON has escapes.
const maxLineBytes = 16 << 20

func (i *importer) all(ctx context.Context, in io.Reader) error {
	lines := bufio.NewReaderSize(in, 64<<10)
	for number := 1; ; number++ {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var record *importedRecord
		if err == nil {
			record, err = parseRecord(line)
		} else if !errors.Is(err, errLongLine) {
			return fmt.Errorf("read %s: %w", plain(i.name), err)
		}
		if err == nil {
			err = i.write(ctx, record)
		}
		if fatal, ok := errors.AsType[*fatalError](err); ok {
			return advise(fatal.error, "stopped at line %d, %s: %v; import again to go on", number, i.words(), fatal.error)
		}
		if err != nil {
			i.refuse(number, err)
		}
	}
	return i.report()
}

var errLongLine = fmt.Errorf("it is longer than %s", showBytes(maxLineBytes))

// readLine reads up to the next line break. Of a line that is too long the rest
// is skipped.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxLineBytes; !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || len(line) == 0 && !long):
			return nil, err
		case long:
			return nil, errLongLine
		}
		return line, nil
	}
}

// fatalError is one that the next line would meet too.
type fatalError struct{ error }

// errDry ends a change that is not to be made.
var errDry = errors.New("dry run")

// write makes the change that a line asks for.
func (i *importer) write(ctx context.Context, record *importedRecord) error {
	c := i.r.Collection(record.collection)
	_, err := c.View(ctx, record.key)
	made := errors.Is(err, replica.ErrNotFound)
	if err != nil && !made {
		return fatal(ctx, err)
	}
	var refused error // by the line's content
	altered := false
	v, err := c.UpdateVersion(ctx, record.key, func(p *replica.Record) error {
		if refused = writeImported(p.Fields(), p, record.fields); refused != nil || !i.dry {
			return refused
		}
		patch, err := p.Patch()
		if refused = err; err != nil {
			return err
		}
		altered = len(patch.Kids) > 0
		return errDry
	})
	switch {
	case refused != nil:
		return refused
	case err != nil && !errors.Is(err, errDry):
		return fatal(ctx, err)
	case err == nil:
		altered = !v.IsZero()
	}
	if made && !altered && !i.dry {
		if err := c.Create(ctx, record.key); err != nil {
			return fatal(ctx, err)
		}
	}
	switch {
	case made:
		i.made++
	case altered:
		i.changed++
	default:
		i.same++
	}
	return nil
}

// fatal tells apart what is wrong with a line, or with one record, from what
// stops everything.
func fatal(ctx context.Context, err error) error {
	for _, ofLine := range []error{replica.ErrTooLarge, replica.ErrCorrupt, merge.ErrNotEntitled, merge.ErrKind} {
		if ctx.Err() == nil && errors.Is(err, ofLine) {
			return err
		}
	}
	return &fatalError{err}
}

// refuse says which line is not imported, and why.
func (i *importer) refuse(number int, err error) {
	i.refused++
	if i.flags.json {
		_ = writeJSON(i.stderr, map[string]any{"event": "refused", "file": i.name, "line": number, "error": oneLine(err)})
		return
	}
	fmt.Fprintf(i.stderr, "concord: %s, line %d: %s\n", plain(i.name), number, oneLine(err))
}

// words says what was done.
func (i *importer) words() string {
	verb := "imported"
	if i.dry {
		verb = "would import"
	}
	return fmt.Sprintf("%s %s (%d new, %d changed), %d as they are", verb, count(i.made+i.changed, "record"), i.made, i.changed, i.same)
}

func (i *importer) report() error {
	if i.flags.json {
		if err := i.printJSON(map[string]any{
			"new": i.made, "changed": i.changed, "same": i.same, "refused": i.refused, "dry_run": i.dry,
		}); err != nil {
			return err
		}
	} else {
		i.printf("%s\n", i.words())
	}
	if i.refused == 0 {
		return nil
	}
	return advise(errIncomplete, "%s refused, see above; mend and import again", wereLines(i.refused))
}

func wereLines(n int) string {
	if n == 1 {
		return "1 line was"
	}
	return fmt.Sprintf("%d lines were", n)
}
