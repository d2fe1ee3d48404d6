package main

import (
	"fmt"
	"io"
	"os"
)

// isTerminal reports whether what is written to w is read as it comes, by
// somebody who can see a line change.
func isTerminal(w io.Writer) bool {
	if o, ok := w.(*output); ok {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// statusLine is a line on a terminal that is written over and over. On anything
// else it writes nothing.
type statusLine struct {
	w     io.Writer
	shown bool
}

func newStatusLine(e *env) *statusLine {
	if !isTerminal(e.stderr) || e.flags.verbose || e.flags.json {
		return &statusLine{w: io.Discard}
	}
	return &statusLine{w: e.stderr}
}

func (l *statusLine) show(text string) {
	fmt.Fprintf(l.w, "\r%s\x1b[K", text)
	l.shown = true
}

// clear makes room for other lines.
func (l *statusLine) clear() {
	if l.shown {
		fmt.Fprint(l.w, "\r\x1b[K")
		l.shown = false
	}
}
