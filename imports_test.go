package concord_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// rooms are the top-level folders that hold packages, lowest first. A package
// imports only from its own room and from those below.
var rooms = []string{"internal", "codec", "clock", "crdt", "merge", "replica", "proptest", "bench", "cmd"}

// folders are the other top-level folders, each with what it is for.
var folders = map[string]string{
	"docs":     "pages for users and contributors",
	"examples": "small programs that embed Concord; they import any room, no room imports them",
	"testdata": "files that tests of several rooms read",
}

// A ban says which imports some files must not have, and why.
type ban struct {
	name   string
	reason string
	in     func(source) bool
	path   func(string) bool
}

// bans is the table of imports that the tree does without. The direction
// between rooms is checked apart, by the order of rooms.
var bans = []ban{
	{
		name:   "network",
		reason: "what converges must not depend on a peer being there; transports are the loop around the protocol core",
		in:     pure, path: paths("net", "net/..."),
	},
	{
		name:   "store",
		reason: "state and view are functions of changes; only the replica knows where these are kept",
		in:     pure, path: paths("github.com/dgraph-io/..."),
	},
	{
		name:   "badger outside replica",
		reason: "Badger sits behind one small store interface, so that it can be replaced",
		in:     all(code, not(within("replica", "bench"))), path: paths("github.com/dgraph-io/..."),
	},
	{
		name:   "operating system",
		reason: "the same code runs in a browser and in a test without files, processes or environment",
		in:     pure, path: paths("os", "os/...", "syscall", "syscall/...", "golang.org/x/sys/..."),
	},
	{
		name:   "logger",
		reason: "a pure function answers by values and errors; logging starts at the replica",
		in:     pure, path: paths("log", "log/...", "github.com/hashicorp/go-hclog"),
	},
	{
		name:   "context",
		reason: "nothing in these rooms blocks, so there is nothing to cancel",
		in:     all(code, within("codec", "clock", "crdt", "merge")), path: paths("context"),
	},
	{
		name:   "randomness",
		reason: "equal states must give equal bytes and equal views; ids come in from the replica",
		in:     all(pure, not(within("proptest"))), path: paths("math/rand", "math/rand/v2", "crypto/rand"),
	},
	{
		name:   "unseeded randomness",
		reason: "a failing run must be replayable from its seed",
		in:     all(pure, within("proptest")), path: paths("crypto/rand"),
	},
	{
		name:   "byte order",
		reason: "codec alone knows bytes: one place to bound them, one place to fuzz",
		in:     all(code, not(within("codec"))), path: paths("encoding/binary", "github.com/vmihailenco/msgpack/..."),
	},
	{
		name:   "gopter outside proptest",
		reason: "its interface is untyped and its default seed is the time of day; proptest wraps it",
		in:     all(code, not(within("proptest"))), path: paths("github.com/leanovate/gopter/..."),
	},
	{
		name:   "command line",
		reason: "flags belong to the program; a library takes Options",
		in:     all(code, not(within("cmd", "examples"))), path: paths("github.com/spf13/...", "flag"),
	},
	{
		name:   "testing in shipped code",
		reason: "fakes live in tests; only the property kit and the measurements speak to the testing package",
		in:     all(code, not(within("proptest", "bench"))), path: paths("testing", "testing/..."),
	},
	{
		name:   "cgo",
		reason: "the whole module builds with CGO_ENABLED=0, for every target that Go has",
		in:     func(source) bool { return true }, path: paths("C"),
	},
}

// A use says which names of a package some files must not use, and why. Unlike
// a ban it lets the package itself be imported.
type use struct {
	name   string
	reason string
	in     func(source) bool
	path   func(string) bool
	fault  func(name string) bool
}

var uses = []use{
	{
		name:   "wall clock",
		reason: "time comes in as a function or as a stamp, so that a run can be replayed",
		in:     pure, path: paths("time"),
		fault: names("Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"),
	},
	{
		name:   "local time zone",
		reason: "a rule that reads the device's zone answers differently on two devices",
		in:     pure, path: paths("time"), fault: names("Local", "LoadLocation"),
	},
	{
		name:   "global random source",
		reason: "a failing run must be replayable from its seed: make a source with rand.New",
		in:     pure, path: paths("math/rand", "math/rand/v2"),
		fault: func(name string) bool {
			return !names("New", "NewSource", "NewPCG", "NewChaCha8", "NewZipf",
				"Rand", "Source", "Source64", "PCG", "ChaCha8", "Zipf")(name)
		},
	},
}

// forbiddenNames say nothing about what a package holds, so everything ends up
// in it. Put a helper beside its one caller, or name the concept it serves.
var forbiddenNames = []string{"util", "utils", "common", "lib", "libs", "helper", "helpers", "misc", "shared"}

func TestTreeKeepsItsRules(t *testing.T) {
	for _, fault := range check(t, os.DirFS(".")) {
		t.Error(fault)
	}
}

// TestRulesHaveTeeth plants one violation of each rule into a small tree and
// wants it found: a rule that cannot fail protects nothing.
func TestRulesHaveTeeth(t *testing.T) {
	const gopter = "github.com/leanovate/gopter"
	planted := []struct{ want, path, source string }{
		{"network", "merge/fetch.go", `package merge; import _ "net/http"`},
		{"network", "replica/session/dial_windows.go", `package session; import _ "net"`},
		{"store", "crdt/rga/disk.go", `package rga; import _ "github.com/dgraph-io/badger/v4"`},
		{"badger outside replica", "cmd/concord/open.go", `package main; import _ "github.com/dgraph-io/badger/v4"`},
		{"operating system", "codec/file.go", `package codec; import _ "os"`},
		{"operating system", "proptest/run.go", `package proptest; import _ "os/exec"`},
		{"logger", "clock/hlc.go", `package clock; import _ "log/slog"`},
		{"logger", "merge/trace.go", `package merge; import _ "github.com/hashicorp/go-hclog"`},
		{"context", "crdt/cancel.go", `package crdt; import _ "context"`},
		{"randomness", "clock/id.go", `package clock; import _ "crypto/rand"`},
		{"unseeded randomness", "proptest/seed.go", `package proptest; import _ "crypto/rand"`},
		{"byte order", "crdt/pack.go", `package crdt; import _ "encoding/binary"`},
		{"byte order", "replica/wire.go", `package replica; import _ "github.com/vmihailenco/msgpack/v5"`},
		{"gopter outside proptest", "bench/gen.go", `package bench; import _ "` + gopter + `/gen"`},
		{"command line", "replica/options.go", `package replica; import _ "flag"`},
		{"testing in shipped code", "replica/fake.go", `package replica; import _ "testing"`},
		{"cgo", "bench/native_test.go", `package bench; import "C"`},

		{"wall clock", "clock/now.go", `package clock; import "time"; var _ = time.Now`},
		{"wall clock", "crdt/now.go", `package crdt; import chrono "time"; var _ = chrono.Now()`},
		{"wall clock", "replica/session/tick.go", `package session; import "time"; var _ = time.NewTicker`},
		{"local time zone", "merge/zone.go", `package merge; import "time"; var _ = time.Local`},
		{"global random source", "proptest/any.go", `package proptest; import "math/rand/v2"; var _ = rand.IntN(3)`},

		{"direction", "codec/up.go", `package codec; import _ "example.org/m/clock"`},
		{"direction", "replica/up.go", `package replica; import _ "example.org/m/proptest"`},
		{"direction", "proptest/fleet/up.go", `package fleet; import _ "example.org/m/bench"`},
		{"direction", "clock/up_test.go", `package clock; import _ "example.org/m/merge"`},
		{"direction", "cmd/concord/up.go", `package main; import _ "example.org/m/examples/board"`},
		{"direction", "doc.go", `package m; import _ "example.org/m/crdt"`},
		{"direction", "bench/up.go", `package bench; import _ "example.org/m"`},
		{"pure imports pure", "proptest/drive.go", `package proptest; import _ "example.org/m/replica"`},
		{"goroutine", "replica/session/loop.go", `package session; func f() { go f() }`},
		{"dot import", "bench/dot.go", `package bench; import . "time"`},
		{"folder", "pkg/thing/thing.go", `package thing`},
		{"name", "replica/util/util.go", `package util`},
		{"name", "crdt/osutil/osutil.go", `package osutil`},
		{"name", "bench/files/files.go", `package common`},
		{"gopter in a signature", "proptest/gen.go", `package proptest; import "` + gopter + `"; func Any() gopter.Gen { return nil }`},
		{"gopter in a signature", "proptest/gen.go", `package proptest; import g "` + gopter + `"; type T struct { Of []g.Gen }`},
		{"gopter in a signature", "proptest/gen.go", `package proptest; import g "` + gopter + `"; type T interface { Of(x g.Gen) }`},
		{"gopter in a signature", "proptest/gen.go", `package proptest; import "` + gopter + `/gen"; var Any = gen.Int()`},
	}
	missing := map[string]bool{}
	for _, b := range bans {
		missing[b.name] = true
	}
	for _, u := range uses {
		missing[u.name] = true
	}
	for _, p := range planted {
		delete(missing, p.want)
		t.Run(p.want+" in "+p.path, func(t *testing.T) {
			faults := check(t, tree(map[string]string{p.path: p.source}))
			if !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, p.path+": "+p.want+":") }) {
				t.Errorf("got faults %q, want one of rule %q at %s", faults, p.want, p.path)
			}
		})
	}
	for name := range missing {
		t.Errorf("no violation of rule %q is planted", name)
	}
}

// TestRulesLetGoodCodePass keeps the rules from growing too wide.
func TestRulesLetGoodCodePass(t *testing.T) {
	files := tree(map[string]string{
		"doc.go":                        `package m`,
		"codec/codec.go":                `package codec; import _ "encoding/binary"`,
		"clock/hlc.go":                  `package clock; import "time"; import _ "example.org/m/codec"; var Wall func() time.Time`,
		"crdt/set.go":                   `package crdt; import _ "example.org/m/clock"`,
		"crdt/laws_test.go":             `package crdt_test; import (_ "example.org/m/proptest"; _ "os"; _ "testing")`,
		"merge/merge.go":                `package merge; import _ "example.org/m/crdt"`,
		"replica/store.go":              `package replica; import (_ "context"; _ "github.com/dgraph-io/badger/v4"; _ "net"; _ "example.org/m/replica/session")`,
		"replica/session/core.go":       `package session; import _ "example.org/m/merge"`,
		"proptest/law.go":               `package proptest; import ("math/rand/v2"; "` + "github.com/leanovate/gopter" + `"; _ "testing"); var r = rand.New(nil); func gen() gopter.Gen { return nil }; type T struct { g gopter.Gen }`,
		"proptest/fleet/fleet.go":       `package fleet; import (_ "time"; _ "example.org/m/replica"; _ "example.org/m/proptest")`,
		"bench/bench.go":                `package bench; import _ "example.org/m/proptest"`,
		"cmd/concord/main.go":           `package main; import (_ "github.com/spf13/cobra"; _ "example.org/m/replica")`,
		"examples/board/main.go":        `package main; import _ "example.org/m/replica"`,
		"docs/architecture.md":          `# Rooms`,
		"testdata/broken.go":            `this is not Go`,
		"replica/testdata/util/util.go": `package util`,
	})
	for _, fault := range check(t, files) {
		t.Error(fault)
	}
}

// TestPurePackagesReachNeitherStoreNorNetwork follows the imports of imports,
// as they are for a browser.
func TestPurePackagesReachNeitherStoreNorNetwork(t *testing.T) {
	var packages []string
	for _, s := range scan(t, os.DirFS(".")) {
		if s.pure && !s.test && !slices.Contains(packages, "./"+s.dir) {
			packages = append(packages, "./"+s.dir)
		}
	}
	if len(packages) == 0 {
		t.Fatalf("%s matches no package", pureList)
	}
	cmd := exec.Command("go", append([]string{"list", "-e", "-deps", "-f", "{{.ImportPath}}"}, packages...)...)
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -deps: %v", err)
	}
	banned := paths("net", "net/http", "os/exec", "crypto/tls",
		"github.com/dgraph-io/...", "github.com/hashicorp/go-hclog", "github.com/spf13/...")
	for path := range strings.Lines(string(out)) {
		if path = strings.TrimSpace(path); banned(path) {
			t.Errorf("a pure package reaches %s; find the way with: GOOS=js GOARCH=wasm go list -deps -f '{{.ImportPath}} {{.Imports}}' %s",
				path, strings.Join(packages, " "))
		}
	}
}

// tree adds what every checked tree has to files.
func tree(files map[string]string) fstest.MapFS {
	list, err := os.ReadFile(pureList)
	if err != nil {
		panic(err)
	}
	fsys := fstest.MapFS{"go.mod": {Data: []byte("module example.org/m\n")}, pureList: {Data: list}}
	for path, text := range files {
		fsys[path] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}
