package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{errors.New("x"), exitFailure},
		{usageErrorf("x"), exitUsage},
		{fmt.Errorf("x: %w", errIncomplete), exitIncomplete},
		{&replica.LockedError{}, exitLocked},
		{advise(replica.ErrNotFound, "x"), exitNotFound},
		{fmt.Errorf("x: %w", replica.ErrNotReplica), exitNoStore},
		{&merge.WriteError{Err: merge.ErrNotEntitled}, exitDenied},
		{errors.Join(errors.New("x"), replica.ErrNotFound), exitNotFound},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("exitCode(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}

func TestErrorsAreOneLine(t *testing.T) {
	got := oneLine(errors.Join(errors.New("a"), errors.New("b\x1b[31m\nc")))
	if want := `a; b\x1b[31m; c`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// program starts the program as a process of its own.
func (s store) program(args ...string) *exec.Cmd {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", storeVariable+"="+s.dir, actorVariable+"=ada", durabilityVariable+"=relaxed")
	return cmd
}

func (s store) exec(args ...string) result {
	s.t.Helper()
	cmd := s.program(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			s.t.Fatal(err)
		}
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// TestProgram runs processes: exit codes, the environment, and the lock.
func TestProgram(t *testing.T) {
	s := newStore(t)
	for _, c := range []struct {
		args string
		code int
	}{
		{"put a/b c=1", exitOK},
		{"get a/b", exitOK},
		{"get a/b --json", exitOK},
		{"sync 127.0.0.1:1", exitFailure},
		{"frob", exitUsage},
		{"get", exitUsage},
		{"get a/nobody", exitNotFound},
		{"get a/b nothing", exitNotFound},
		{"--store nowhere ls", exitNoStore},
	} {
		r := s.exec(strings.Fields(c.args)...)
		if r.code != c.code {
			t.Errorf("concord %s: exit code %d, want %d; stderr %q", c.args, r.code, c.code, r.stderr)
		}
		if (r.stderr == "") != (c.code == exitOK) {
			t.Errorf("concord %s: stderr %q", c.args, r.stderr)
		}
	}
	wantIn(t, s.exec("log", "a/b").stdout, "  ada  ")
}

func TestLockAndSignal(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			s := newStore(t)
			serve := s.program("serve", "--listen", "127.0.0.1:0")
			out, err := serve.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := serve.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			if !lines.Scan() || !strings.HasPrefix(lines.Text(), "listening on tcp://127.0.0.1:") {
				t.Fatalf("serve printed %q", lines.Text())
			}
			r := s.exec("put", "a/b", "c=1")
			if r.code != exitLocked {
				t.Errorf("exit code %d, want %d", r.code, exitLocked)
			}
			wantIn(t, r.stderr, s.dir, "is open in process "+strconv.Itoa(serve.Process.Pid))
			if r := s.exec("init"); r.code != exitLocked {
				t.Errorf("init: exit code %d, want %d", r.code, exitLocked)
			}
			if err := serve.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := serve.Wait(); err != nil {
				t.Errorf("serve after %v: %v", sig, err)
			}
			if r := s.exec("put", "a/b", "c=1"); r.code != exitOK {
				t.Errorf("after serve ended: exit code %d, stderr %q", r.code, r.stderr)
			}
		})
	}
}
