package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// inspectedStore has two scopes, a deletion, and changes of two writers.
func inspectedStore(t *testing.T) store {
	s := newStore(t)
	s.ok("put", "patients/bed-7", "dose=5", "--actor", "ada", "--role", "doctor", "--intent", "prescribe:rx-1")
	s.ok("put", "patients/bed-7", "dose=7", "--actor", "bo")
	s.ok("put", "patients/bed-8", "name=Ben")
	s.ok("rm", "patients/bed-8")
	s.ok("put", "visits/1", "by=bo")
	return s
}

func TestInspectStore(t *testing.T) {
	s := inspectedStore(t)
	out := s.ok("inspect", s.dir)
	wantIn(t, out, ": a store\n", "  replica      ", "change rows         5  ", "header rows         3  ",
		"  scope patients  4 changes, 1 record, 1 deleted, 0 waiting, 0 rejected, ", "  scope visits    1 change, 1 record, 0 deleted")
	out = s.ok("inspect", s.dir, "--scope", "patients")
	wantIn(t, out, "  bed-7  digest ", "  bed-8  digest ", "  deleted\n")
	if strings.Contains(out, "visits") {
		t.Errorf("more than the scope:\n%s", out)
	}
	out = s.ok("inspect", s.dir, "--record", "patients/bed-7")
	wantIn(t, out, "change row 63", "ada (doctor)  for prescribe:rx-1", "    record bed-7 in patients\n", "made the record", "dose (register): set to 7",
		"replaces something of ", "header row 68", "  record bed-7 exists\n", "  vector   ")
	if strings.Contains(out, "bed-8") {
		t.Errorf("more than the record:\n%s", out)
	}
	wantIn(t, s.ok("inspect", s.dir, "--record", "patients/bed-8"), "deleted the record, as seen up to", "is deleted\n")
	for _, line := range strings.Split(strings.TrimSpace(s.ok("--json", "inspect", s.dir, "--record", "patients/bed-7")), "\n") {
		var v struct{ What string }
		if err := json.Unmarshal([]byte(line), &v); err != nil || v.What == "" {
			t.Errorf("--json: %v in %q", err, line)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(s.ok("--json", "inspect", s.dir)), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("--json: %q", line)
		}
	}
}

// TestInspectExitCodes runs the program itself.
func TestInspectExitCodes(t *testing.T) {
	s := inspectedStore(t)
	empty, text := t.TempDir(), filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("hello, world"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{s.dir}, exitOK, ""},
		{[]string{}, exitUsage, "an argument is missing"},
		{[]string{"nowhere"}, exitFailure, "no such file"},
		{[]string{empty}, exitNoStore, "is no store"},
		{[]string{text}, exitFailure, "12 bytes that begin with 68656c6c6f2c20776f726c64; not an identity: "},
		{[]string{text, "--scope", "x"}, exitUsage, "are for a store"},
		{[]string{s.dir, "--scope", "x"}, exitNotFound, "the scopes are: patients, visits"},
		{[]string{s.dir, "--record", "patients/bed-9"}, exitNotFound, "nothing of patients/bed-9"},
		{[]string{s.dir, "--record", "patients"}, exitUsage, "COLLECTION/KEY"},
		{[]string{filepath.Join(s.dir, "data", "MANIFEST")}, exitFailure, "inspect the directory above it"},
	} {
		r := s.exec(append([]string{"inspect"}, c.args...)...)
		if r.code != c.code {
			t.Errorf("%q: exit code %d, want %d; stderr %q", c.args, r.code, c.code, r.stderr)
		}
		wantIn(t, r.stderr, c.want)
	}
	w := s.start("serve", "--listen", "127.0.0.1:0")
	w.address()
	if r := s.exec("inspect", s.dir); r.code != exitLocked {
		t.Errorf("of an open store: exit code %d, stderr %q", r.code, r.stderr)
	}
	w.end()
}

func TestInspectFiles(t *testing.T) {
	s := inspectedStore(t)
	out := s.ok("inspect", filepath.Join(s.dir, "identity.0"))
	wantIn(t, out, "the identity of a replica", "incarnation", "is not shown")
	b, err := os.ReadFile(filepath.Join(s.dir, "identity.0"))
	if err != nil {
		t.Fatal(err)
	}
	if id, err := replica.ReadIdentity(b); err != nil || !strings.Contains(out, id.Origin.Replica.String()) {
		t.Errorf("the replica is %v, %v", id.Origin, err)
	}
	b[len(b)-1]++
	wantIn(t, s.inspectBytes(b, exitFailure).stderr, "is the identity of a replica, and cannot be read", "checksum")
	wantIn(t, s.ok("inspect", filepath.Join(s.dir, "witness")), "the store held 5 changes", "number 5")
	hello, err := codec.AppendEnvelope(nil, &session.BundleHead{})
	if err != nil {
		t.Fatal(err)
	}
	wantIn(t, s.inspectBytes(hello, exitFailure).stderr, `an envelope that holds "bundle", version 1`)
	for _, b := range [][]byte{{}, {0}, bytes.Repeat([]byte{0xff}, 100), []byte("\x95\xa7concord")} {
		wantIn(t, s.inspectBytes(b, exitFailure).stderr, "nothing known is in", "not frames: ")
	}
}

// inspectBytes shows bytes that come by the standard input.
func (s store) inspectBytes(b []byte, code int) result {
	s.t.Helper()
	r := s.tryWith(string(b), "inspect", "-")
	if r.code != code {
		s.t.Errorf("exit code %d, want %d; stdout %q, stderr %q", r.code, code, shorten(r.stdout, 500), r.stderr)
	}
	return r
}

func TestInspectBundle(t *testing.T) {
	s := inspectedStore(t)
	r, err := replica.Open(s.dir, replica.Options{Durability: replica.Relaxed})
	if err != nil {
		t.Fatal(err)
	}
	var bundle bytes.Buffer
	if _, err := r.Export(t.Context(), &bundle, replica.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	sent := recordSession(t, r)
	var change []byte
	err = session.ReadBundle(bytes.NewReader(bundle.Bytes()), func(_ session.BundleHead, c session.BundleChunk) error {
		change = c.Changes[0].Encoded
		return nil
	})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}

	out := s.inspectBytes(bundle.Bytes(), exitOK).stdout
	wantIn(t, out, "a bundle, ", "bundle head", "bundle version 1", "by replica ", "record bed-7 in patients", "dose (register): set to 7", "deleted the record", "bundle end")
	out = s.inspectBytes(sent, exitOK).stdout
	wantIn(t, out, "what one side of a session sent", "hello ", "hello version 1", ", number 1, of patients\n", ", number 2, of visits\n", "caught up", "bye")
	out = s.inspectBytes(change, exitOK).stdout
	wantIn(t, out, "a change, ", "  record 1\n", "by (register): set to \"bo\"")

	cut := s.inspectBytes(bundle.Bytes()[:bundle.Len()-3], exitFailure)
	wantIn(t, cut.stdout, "record bed-7 in patients")
	wantIn(t, cut.stderr, "cannot be read to its end", "truncated")
	for line := range strings.Lines(s.tryWith(bundle.String(), "--json", "inspect", "-").stdout) {
		if !json.Valid([]byte(line)) {
			t.Errorf("--json: %q", line)
		}
	}
}

// recordSession syncs with a new replica and returns what was sent.
func recordSession(t *testing.T, r *replica.Replica) []byte {
	t.Helper()
	other, err := replica.Open("", replica.Options{DisableDisk: true})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	near, far := net.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := other.SyncConn(t.Context(), far, replica.SyncOptions{})
		done <- err
	}()
	var sent bytes.Buffer
	if _, err := r.SyncConn(t.Context(), &tee{near, &sent}, replica.SyncOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return sent.Bytes()
}

// tee keeps what is written to a connection.
type tee struct {
	io.ReadWriteCloser
	sent *bytes.Buffer
}

func (c *tee) Write(b []byte) (int, error) {
	n, err := c.ReadWriteCloser.Write(b)
	c.sent.Write(b[:n])
	return n, err
}

// FuzzInspect wants any bytes shown or refused.
func FuzzInspect(f *testing.F) {
	f.Add([]byte("\x95\xa7concord\xa7replica\x01\x90"))
	f.Add(codec.AppendFrame(nil, codec.Frame{Type: chunkFrame, Body: []byte("\x01\x01a")}))
	f.Add(codec.AppendFrame(nil, codec.Frame{Type: bundleFrame, Flags: moreFlag}))
	f.Fuzz(func(t *testing.T, b []byte) {
		i := inspector{env: &env{stdout: io.Discard, stderr: io.Discard}}
		_ = i.file("fuzzed", b)
	})
}
