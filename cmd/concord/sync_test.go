package main

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/replica"
)

// TestSync edits two stores apart, lets them meet, and wants both to show the
// same, to the byte.
func TestSync(t *testing.T) {
	a, b := newStore(t), newStore(t)
	a.ok("put", "patients/bed-7", "name=Ada", "dose=5", "--actor", "ada", "--role", "doctor")
	a.ok("edit", "patients/bed-7", "allergies", "set.add", "latex")
	a.ok("edit", "patients/bed-7", "note", "text.append", "calm")
	b.ok("put", "patients/bed-7", "dose=7", "--actor", "bo", "--role", "nurse")
	b.ok("edit", "patients/bed-7", "allergies", "set.add", "nuts")
	b.ok("edit", "patients/bed-7", "note", "text.append", "asleep")
	b.ok("edit", "patients/bed-7", "meds/aspirin/given", "counter.add", "2")
	b.ok("put", "patients/bed-8", "name=Ben")

	served := a.start("serve", "--listen", "127.0.0.1:0")
	address := served.address()
	wantIn(t, b.ok("sync", address), "synced with replica ", " at "+address+" in ",
		"received 3 changes (", "sent     5 changes (", "round trip")
	wantIn(t, served.line("127.0.0.1:"), "received 5 changes (", "sent 3 changes (")
	wantIn(t, b.ok("sync", address), "received 0 changes", "sent     0 changes")
	if r := served.end(); r.code != exitOK || r.stderr != "" {
		t.Errorf("serve ended with code %d, stderr %q", r.code, r.stderr)
	}

	for _, record := range []string{"patients/bed-7", "patients/bed-8"} {
		if diff := cmp.Diff(a.ok("get", "--json", record), b.ok("get", "--json", record)); diff != "" {
			t.Errorf("%s, -served +synced:\n%s", record, diff)
		}
		if diff := cmp.Diff(a.ok("get", record), b.ok("get", record)); diff != "" {
			t.Errorf("%s, -served +synced:\n%s", record, diff)
		}
	}
	wantIn(t, a.ok("get", "patients/bed-7"), "2 values were written apart", "by ada (doctor)", "by bo (nurse)", `"nuts", "latex"`)
	wantIn(t, a.ok("ls", "patients"), "dose!=")
}

func TestSyncOneWay(t *testing.T) {
	for _, c := range []struct {
		flag             string
		inServed, inPeer []string // collections
	}{
		{"--pull", []string{"here"}, []string{"here", "there"}},
		{"--push", []string{"here", "there"}, []string{"there"}},
		{"--scope=here", []string{"here"}, []string{"here", "there"}},
	} {
		t.Run(c.flag, func(t *testing.T) {
			a, b := newStore(t), newStore(t)
			a.ok("put", "here/x", "n=1")
			b.ok("put", "there/x", "n=1")
			served := a.start("serve", "--listen", ":0")
			_, port, err := net.SplitHostPort(strings.TrimPrefix(served.address(), "tcp://"))
			if err != nil {
				t.Fatal(err)
			}
			b.ok("sync", "127.0.0.1:"+port, c.flag)
			served.end()
			for s, want := range map[store][]string{a: c.inServed, b: c.inPeer} {
				var got []string
				for line := range strings.Lines(s.ok("ls")) {
					got = append(got, strings.Fields(line)[0])
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("collections in %s, -want +got:\n%s", s.dir, diff)
				}
			}
		})
	}
}

// TestLive changes the served store from a third one, and wants the second,
// which stays connected, to be told.
func TestLive(t *testing.T) {
	a, b, c := newStore(t), newStore(t), newStore(t)
	c.ok("put", "patients/bed-7", "dose=5")
	served := a.start("serve", "--listen", "127.0.0.1:0", "--live")
	address := served.address()
	live := b.start("sync", address, "--live")
	live.line("caught up: received 0 changes")
	c.ok("sync", address)
	live.line("exchanged: received 1 change, ")
	r := live.end()
	if r.code != exitOK || r.stderr != "" {
		t.Errorf("the live session ended with code %d, stderr %q", r.code, r.stderr)
	}
	wantIn(t, r.stdout, "synced with replica ", "received 1 change (")
	served.end()
	if diff := cmp.Diff(c.ok("get", "--json", "patients/bed-7"), b.ok("get", "--json", "patients/bed-7")); diff != "" {
		t.Errorf("-author +live peer:\n%s", diff)
	}
}

func TestLiveWithAPeerThatIsNot(t *testing.T) {
	a, b := newStore(t), newStore(t)
	served := a.start("serve", "--listen", "127.0.0.1:0")
	wantIn(t, b.ok("sync", served.address(), "--live"), "let it be served with --live")
}

// TestIncompleteSync sends a change from tomorrow: it waits at the receiver.
func TestIncompleteSync(t *testing.T) {
	a, b := newStore(t), newStore(t)
	tomorrow := func() time.Time { return time.Now().Add(24 * time.Hour) }
	r, err := replica.Open(b.dir, replica.Options{Wall: tomorrow})
	if err != nil {
		t.Fatal(err)
	}
	err = r.Collection("patients").Update(t.Context(), "bed-7", func(p *replica.Record) error { return p.Register("dose").Set(5) })
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	served := a.start("serve", "--listen", "127.0.0.1:0")
	got := b.try("sync", served.address())
	if got.code != exitIncomplete {
		t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
	}
	wantIn(t, got.stdout, "not applied: sent patients, record bed-7", "clock-ahead")
	wantIn(t, got.stderr, "concord: 1 change was not applied")
	wantIn(t, served.line("127.0.0.1:"), "1 change not applied")
}

func TestSyncJSON(t *testing.T) {
	a, b := newStore(t), newStore(t)
	b.ok("put", "a/b", "n=1")
	served := a.start("--json", "serve", "--listen", "127.0.0.1:0")
	var listening struct{ Event, Address string }
	if err := json.Unmarshal([]byte(served.line("listening")), &listening); err != nil {
		t.Fatal(err)
	}
	got := b.json("sync", listening.Address)
	if got["complete"] != true || got["event"] != "report" || got["sent"].(map[string]any)["changes"] != 1.0 {
		t.Errorf("sync --json printed %v", got)
	}
	var session struct {
		Event, Peer string
		Complete    bool
		Received    struct{ Changes, Bytes int }
	}
	if err := json.Unmarshal([]byte(served.line("session")), &session); err != nil {
		t.Fatal(err)
	}
	if !session.Complete || session.Received.Changes != 1 || session.Received.Bytes == 0 || len(session.Peer) != 32 {
		t.Errorf("serve --json printed %+v", session)
	}
}

func TestSyncWithNobody(t *testing.T) {
	s := newStore(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	r := s.try("sync", address)
	if r.code != exitFailure || r.stdout != "" {
		t.Errorf("exit code %d, stdout %q", r.code, r.stdout)
	}
	wantIn(t, r.stderr, "nobody answers at "+address, "connection refused", "concord serve --listen "+address)
}

// TestSyncIsCut meets somebody who hangs up.
func TestSyncIsCut(t *testing.T) {
	s := newStore(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			c.Close()
		}
	}()
	r := s.try("sync", l.Addr().String())
	if r.code != exitFailure {
		t.Errorf("exit code %d", r.code)
	}
	wantIn(t, r.stderr, "hung up before it said who it is")
}

func TestServeOnATakenAddress(t *testing.T) {
	a, b := newStore(t), newStore(t)
	served := a.start("serve", "--listen", "127.0.0.1:0")
	r := b.try("serve", "--listen", strings.TrimPrefix(served.address(), "tcp://"))
	if r.code != exitFailure {
		t.Errorf("exit code %d", r.code)
	}
	wantIn(t, r.stderr, "cannot listen on 127.0.0.1:", "choose another with --listen")
}

// TestStatusLine wants nothing written in place where nobody sees it.
func TestStatusLine(t *testing.T) {
	var b bytes.Buffer
	l := newStatusLine(&env{stderr: &b})
	l.show("x")
	l.clear()
	if b.Len() != 0 {
		t.Errorf("wrote %q to what is no terminal", b.String())
	}
	l = &statusLine{w: &b}
	l.show("one")
	l.show("two")
	l.clear()
	l.clear()
	if got, want := b.String(), "\rone\x1b[K\rtwo\x1b[K\r\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
