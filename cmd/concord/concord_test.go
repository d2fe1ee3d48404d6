package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asProgram makes the test binary be the program itself, so that tests can
// start it as a process.
const asProgram = "CONCORD_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	for _, v := range []string{storeVariable, actorVariable, roleVariable, durabilityVariable, policyVariable, keyVariable} {
		os.Unsetenv(v)
	}
	os.Exit(m.Run())
}

// result is what one command line did.
type result struct {
	code           int
	stdout, stderr string
}

// store is a store of a test, on which command lines are run in process.
type store struct {
	t   *testing.T
	dir string
}

func newStore(t *testing.T) store {
	t.Helper()
	s := store{t, filepath.Join(t.TempDir(), "store")}
	s.ok("init")
	return s
}

// try runs a command line, without a flush to the disk for each write.
func (s store) try(args ...string) result { return s.tryWith("", args...) }

func (s store) tryWith(stdin string, args ...string) result {
	s.t.Helper()
	var out, errs bytes.Buffer
	args = append([]string{"--store", s.dir, "--durability", "relaxed"}, args...)
	code := run(s.t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return result{code, out.String(), errs.String()}
}

// ok runs a command line that must succeed, and returns what it printed.
func (s store) ok(args ...string) string {
	s.t.Helper()
	r := s.try(args...)
	if r.code != exitOK || r.stderr != "" {
		s.t.Fatalf("concord %s: exit code %d, stderr %q", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// json runs a command line with --json, and returns its one object.
func (s store) json(args ...string) map[string]any {
	s.t.Helper()
	var v map[string]any
	text := s.ok(append([]string{"--json"}, args...)...)
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		s.t.Fatalf("concord %s: %v in %q", strings.Join(args, " "), err, text)
	}
	return v
}

// running is a command that runs until it is stopped.
type running struct {
	t     *testing.T
	lines *bufio.Scanner
	seen  []string
	stop  context.CancelFunc
	ended chan result
}

// start runs a command line beside the test. Its output must be read by line,
// or by end.
func (s store) start(args ...string) *running {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	out, in := io.Pipe()
	r := &running{t: s.t, lines: bufio.NewScanner(out), stop: cancel, ended: make(chan result, 1)}
	args = append([]string{"--store", s.dir, "--durability", "relaxed"}, args...)
	go func() {
		var errs bytes.Buffer
		code := run(ctx, args, strings.NewReader(""), in, &errs)
		in.Close()
		r.ended <- result{code: code, stderr: errs.String()}
	}()
	s.t.Cleanup(func() { r.end() })
	return r
}

// line reads up to the first line that contains text.
func (r *running) line(text string) string {
	r.t.Helper()
	for r.lines.Scan() {
		r.seen = append(r.seen, r.lines.Text())
		if strings.Contains(r.lines.Text(), text) {
			return r.lines.Text()
		}
	}
	r.t.Fatalf("no line with %q; got %q", text, r.seen)
	return ""
}

// address reads the address that serve prints.
func (r *running) address() string {
	r.t.Helper()
	_, rest, _ := strings.Cut(r.line("listening on "), "listening on ")
	address, _, _ := strings.Cut(rest, ";")
	return address
}

// end stops the command and returns what it did, with all that it printed.
func (r *running) end() result {
	r.stop()
	for r.lines.Scan() {
		r.seen = append(r.seen, r.lines.Text())
	}
	res, ok := <-r.ended
	if ok {
		res.stdout = strings.Join(r.seen, "\n")
		close(r.ended)
	}
	return res
}

// wantIn fails unless text contains all parts.
func wantIn(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("no %q in:\n%s", p, text)
		}
	}
}
