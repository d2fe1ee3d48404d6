package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"
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
	t      *testing.T
	out    *lineBuffer
	seen   []string
	stop   context.CancelFunc
	ended  chan result
	result *result
}

// patience is how long a test waits for a line or an end that does not come,
// before it shows where everything stands.
const patience = 2 * time.Minute

// start runs a command line beside the test. It never waits for the test to read
// what it prints.
func (s store) start(args ...string) *running {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	r := &running{t: s.t, out: newLineBuffer(), stop: cancel, ended: make(chan result, 1)}
	args = append([]string{"--store", s.dir, "--durability", "relaxed"}, args...)
	go func() {
		var errs bytes.Buffer
		code := run(ctx, args, strings.NewReader(""), r.out, &errs)
		r.out.close()
		r.ended <- result{code: code, stderr: errs.String()}
	}()
	s.t.Cleanup(func() { r.end() })
	return r
}

// next reads a line; ok is false when the command has ended.
func (r *running) next() (line string, ok bool) {
	r.t.Helper()
	line, ok, late := r.out.line()
	if late {
		r.stuck("another line")
	}
	if ok {
		r.seen = append(r.seen, line)
	}
	return line, ok
}

// stuck ends the test with what there is to say about a command that hangs.
func (r *running) stuck(what string) {
	r.t.Helper()
	var stacks strings.Builder
	pprof.Lookup("goroutine").WriteTo(&stacks, 1)
	r.t.Fatalf("%s does not come; got %q\n%s", what, r.seen, stacks.String())
}

// line reads up to the first line that contains text.
func (r *running) line(text string) string {
	r.t.Helper()
	for {
		line, ok := r.next()
		if !ok {
			r.t.Fatalf("no line with %q; got %q", text, r.seen)
		}
		if strings.Contains(line, text) {
			return line
		}
	}
}

// address reads the address that serve prints.
func (r *running) address() string {
	r.t.Helper()
	_, rest, _ := strings.Cut(r.line("listening on "), "listening on ")
	address, _, _ := strings.Cut(rest, ";")
	return address
}

// wait returns what the command did, with all that it printed, once it has ended
// by itself.
func (r *running) wait() result {
	r.t.Helper()
	if r.result != nil {
		return *r.result
	}
	select {
	case x := <-r.ended:
		r.result = &x
	case <-time.After(patience):
		r.stuck("the end")
	}
	for {
		if _, ok := r.next(); !ok {
			break
		}
	}
	r.result.stdout = strings.Join(r.seen, "\n")
	return *r.result
}

// end stops the command and returns what it did.
func (r *running) end() result {
	r.t.Helper()
	r.stop()
	return r.wait()
}

// lineBuffer holds what was printed until it is read, line by line.
type lineBuffer struct {
	mu     sync.Mutex
	text   []byte
	closed bool
	more   chan struct{}
}

func newLineBuffer() *lineBuffer { return &lineBuffer{more: make(chan struct{}, 1)} }

// Write keeps b. It does not block.
func (l *lineBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	l.text = append(l.text, b...)
	l.mu.Unlock()
	l.signal()
	return len(b), nil
}

func (l *lineBuffer) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.signal()
}

func (l *lineBuffer) signal() {
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// line takes the next line; ok is false at the end, and late after a long time
// without one.
func (l *lineBuffer) line() (line string, ok, late bool) {
	for {
		l.mu.Lock()
		i := bytes.IndexByte(l.text, '\n')
		if i >= 0 {
			line, ok, l.text = string(l.text[:i]), true, l.text[i+1:]
		} else if l.closed && len(l.text) > 0 {
			line, ok, l.text = string(l.text), true, nil
		}
		closed := l.closed
		l.mu.Unlock()
		if ok || closed {
			return line, ok, false
		}
		select {
		case <-l.more:
		case <-time.After(patience):
			return "", false, true
		}
	}
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
