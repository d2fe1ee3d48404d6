package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

func newDemoCommand(e *env) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "demo",
		Short: "See three devices edit apart, meet, and agree",
		Long: `See three devices edit apart, meet, and agree: a story of a hospital ward, told
while it happens. The devices are three stores on this machine that sync over
TCP. A connection is cut in the middle and resumed.

The exit code is 1 if the devices do not agree in the end: all that they show
is compared.`,
		Example: `  concord demo
  concord demo --dir ward      keep the three stores in ./ward`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return e.demo(cmd.Context(), dir) },
	}
	c.Flags().StringVar(&dir, "dir", "", "keep the stores in this `directory`, which must not be there yet")
	return c
}

func (e *env) demo(ctx context.Context, dir string) (err error) {
	o, err := e.options()
	if err != nil {
		return err
	}
	kept := dir != ""
	if kept {
		if err := os.Mkdir(dir, 0o700); errors.Is(err, os.ErrExist) {
			return usageErrorf("%s is there already; name a new directory with --dir", shellQuote(dir))
		} else if err != nil {
			return err
		}
	} else {
		if dir, err = os.MkdirTemp("", "concord-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	begun := time.Now()
	w, err := openWard(ctx, e, dir, o)
	if err != nil {
		return err
	}
	told := w.tell()
	if err := errors.Join(told, w.close()); err != nil {
		return err
	}
	w.facts["milliseconds"] = milliseconds(time.Since(begun))
	if e.flags.json {
		return e.printJSON(w.facts)
	}
	e.printf("\nAll of this took %v.\n", round(time.Since(begun)))
	if kept {
		e.printf("The stores are still there. Read who wrote what:\n  concord --store %s log patients/bed-7\n",
			shellQuote(filepath.Join(dir, "station")))
	}
	return nil
}

// errDisagree means that the devices of the demo do not show the same.
var errDisagree = errors.New("the devices do not agree")

// say prints a part of the story, unless the facts alone are wanted.
func (w *ward) say(format string, args ...any) {
	if !w.flags.json {
		fmt.Fprintf(w.stdout, format, args...)
	}
}
