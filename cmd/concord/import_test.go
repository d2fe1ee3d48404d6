package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestImportInPart runs the program itself: 50 lines, of which one is bad.
func TestImportInPart(t *testing.T) {
	s := newStore(t)
	var b strings.Builder
	for n := range 50 {
		if n == 16 {
			b.WriteString(`{"record":"patients/bed-16","fields":{"dose":five}}` + "\n")
			continue
		}
		fmt.Fprintf(&b, `{"record":"patients/bed-%d","fields":{"dose":%d}}`+"\n", n, n)
	}
	file := filepath.Join(t.TempDir(), "ward list.jsonl")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args          []string
		words, listed string
	}{
		{[]string{"import", file, "--dry-run"}, "would import 49 records (49 new, 0 changed), 0 as they are\n", "the store is empty"},
		{[]string{"import", file}, "imported 49 records (49 new, 0 changed), 0 as they are\n", "patients  49 records\n"},
		{[]string{"import", file}, "imported 0 records (0 new, 0 changed), 49 as they are\n", "patients  49 records\n"},
	} {
		r := s.exec(c.args...)
		if r.code != exitIncomplete || r.stdout != c.words {
			t.Errorf("%q: exit code %d, stdout %q", c.args, r.code, r.stdout)
		}
		wantIn(t, r.stderr, "line 17: it is not JSON, at byte 47", "concord: 1 line was refused")
		wantIn(t, s.ok("ls"), c.listed)
	}
	wantIn(t, s.ok("log", "patients/bed-3"), "  ada  ") // as the environment says
	for args, code := range map[string]int{"import": exitUsage, "import nowhere": exitFailure, "import .": exitUsage} {
		if r := s.exec(strings.Fields(args)...); r.code != code {
			t.Errorf("%s: exit code %d, want %d; stderr %q", args, r.code, code, r.stderr)
		}
	}
	if r := (store{t, "nowhere"}).exec("import", file); r.code != exitNoStore {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}

func TestImportRefuses(t *testing.T) {
	s := newStore(t)
	s.ok("edit", "a/there", "log", "log.append", "x")
	s.ok("edit", "a/there", "b", "bounded.open", "0", "5", "5")
	s.ok("edit", "a/there", "p", "proposal.propose", "1")
	s.ok("edit", "a/there", "p", "proposal.approve")
	before := s.ok("export")
	field := func(f string) string { return `{"record":"a/b","fields":{"good":1,"f":` + f + `}}` }
	there := func(f string) string { return `{"record":"a/there","fields":{` + f + `}}` }
	type refusal struct{ name, line, want string }
	var cases []refusal
	var lines strings.Builder
	for _, c := range []refusal{
		{"not UTF-8", "{\"record\":\"a/\xff\",\"fields\":{}}", "not valid UTF-8"},
		{"a list", `[]`, "the line is a list"},
		{"two texts", `{} {}`, "not JSON, at byte 4"},
		{"cut", `{"record":"a/b"`, "not JSON"},
		{"no fields", `{"record":"a/b"}`, `it has no "fields"`},
		{"no record", `{"fields":{}}`, `it has no "record"`},
		{"more", `{"record":"a/b","fields":{},"key":1}`, "is not known here"},
		{"record", `{"record":5,"fields":{}}`, `"record" is the number 5`},
		{"no key", `{"record":"a","fields":{}}`, "COLLECTION/KEY"},
		{"long key", `{"record":"a/` + strings.Repeat("x", 513) + `","fields":{}}`, "more than 512 bytes"},
		{"zero byte", `{"record":"a/\u0000","fields":{}}`, "zero byte"},
		{"fields", `{"record":"a/b","fields":[]}`, `"fields" is a list`},
		{"twice", `{"record":"a/b","fields":{"x":1,"x":2}}`, `"x" stands twice`},
		{"half a pair", field(`"\ud83d"`), "surrogate"},
		{"the other half", field(`"\ude00\ud83d"`), "surrogate"},
		{"integer", field(`9223372036854775808`), "out of range"},
		{"float", field(`1e999`), "out of range"},
		{"tag", field(`{"$frob":1}`), "no tag $frob"},
		{"inner type", field(`{"$element":1}`), "no tag $element"},
		{"value tag", field(`[{"$counter":1}]`), "no tag $counter for a value"},
		{"dollar", field(`{"$a":1,"b":2}`), "$object"},
		{"bytes", field(`{"$bytes":"?"}`), "base64"},
		{"loose bytes", field(`{"$bytes":"AB=="}`), "base64"},
		{"time", field(`{"$time":"yesterday"}`), "no time"},
		{"microseconds", field(`{"$time":"2026-01-02T03:04:05.000001Z"}`), "millisecond"},
		{"infinity", field(`{"$float":"NaN"}`), "Infinity"},
		{"object", field(`{"$object":[]}`), "wants an object"},
		{"no text", field(`{"$time":5}`), "wants a text"},
		{"counter", field(`{"$counter":1.5}`), "no whole number"},
		{"huge counter", field(`{"$counter":99999999999999999999}`), "overflow"},
		{"many digits", field(`{"$counter":` + strings.Repeat("9", 100) + `}`), "no whole number"},
		{"flag", field(`{"$flag":1}`), "a flag wants true or false"},
		{"text", field(`{"$text":null}`), "a text wants a text"},
		{"set", field(`{"$set":{}}`), "a set wants a list"},
		{"group", field(`{"$group":[]}`), "a group wants an object"},
		{"map", field(`{"$map":[]}`), "field f is a list"},
		{"in a map", field(`{"$map":{"x":{"$stock":1}}}`), "field f/x: a stock cannot be in a map"},
		{"bounds", field(`{"$bounded":{"least":1,"most":0,"value":1}}`), "not within"},
		{"half bounds", field(`{"$bounded":{"least":1}}`), `no "most"`},
		{"verdict", field(`{"$proposal":[{"value":1,"verdict":"maybe"}]}`), "none of open, approved, declined"},
		{"types", field(`{"$types":[]}`), "wants a list of fields"},
		{"one type twice", field(`{"$types":[1,2]}`), "twice as a register"},
		{"types in types", field(`{"$types":[{"$types":[1]}]}`), "no tag $types"},
		{"nested", field(strings.Repeat("[", 200) + strings.Repeat("]", 200)), "nesting"},
		{"nested without end", field(strings.Repeat("[", 2000) + strings.Repeat("]", 2000)), "nested deeper"},
		{"too large", field(`"` + strings.Repeat("x", 3<<20) + `"`), "limit"},
		{"longer than any", `{"record":"` + strings.Repeat("x", maxLineBytes) + `"}`, "longer than 16.0 MiB"},
		{"another log", there(`"log":{"$log":["y","x"]}`), "a log only grows"},
		{"other bounds", there(`"b":{"$bounded":{"least":0,"most":9,"value":1}}`), "cannot be changed"},
		{"opened again", there(`"p":{"$proposal":[{"value":1,"verdict":"open"}]}`), "cannot be opened again"},
		{"other proposals", there(`"p":{"$proposal":[]}`), "proposals stay"},
	} {
		cases = append(cases, c)
		lines.WriteString(c.line + "\n")
	}
	for _, args := range [][]string{{"import", "-"}, {"import", "-", "--dry-run"}} {
		r := s.tryWith("\n"+lines.String()+`{"record":"a/there","fields":{}}`, args...)
		if r.code != exitIncomplete || !strings.Contains(r.stdout, "1 as they are") {
			t.Errorf("%v: exit code %d, stdout %q", args, r.code, r.stdout)
		}
		refused := map[string]string{}
		for line := range strings.Lines(r.stderr) {
			number, why, _ := strings.Cut(strings.TrimPrefix(line, `concord: "standard input", line `), ": ")
			refused[number] = why
		}
		for i, c := range cases {
			if c.name == "too large" && len(args) == 3 {
				continue // only the change itself shows it
			}
			if why := refused[fmt.Sprint(i+2)]; !strings.Contains(why, c.want) {
				t.Errorf("%v: %s: the reason is %q, want %q in it", args, c.name, shorten(why, 200), c.want)
			}
		}
	}
	if diff := cmp.Diff(before, s.ok("export")); diff != "" {
		t.Errorf("a refused line left something, -before +after:\n%s", diff)
	}
	var refused struct {
		Event, File, Error string
		Line               int
	}
	r := s.tryWith("[]", "--json", "import", "-")
	line, _, _ := strings.Cut(r.stderr, "\n")
	if err := json.Unmarshal([]byte(line), &refused); err != nil || refused.Line != 1 || refused.Event != "refused" || refused.Error == "" {
		t.Errorf("--json: %+v, %v", refused, err)
	}
	wantIn(t, r.stdout, `"refused":1`)
}

// TestImportOver writes into records that are there.
func TestImportOver(t *testing.T) {
	s := newStore(t)
	steps := []string{
		`{"record":"a/b","fields":{"keep":1,"r":1,"n":{"$counter":5},"s":{"$set":["a","b"]},"t":{"$text":"one two three"},"l":{"$list":[1,2,3,4]},"log":{"$log":["x"]},"f":{"$flag":true},"m":{"$map":{"x":1,"y":2}},"st":{"$stock":5},"b":{"$bounded":{"least":0,"most":10,"value":5}},"g":{"$group":{"a":1}},"rs":{"$remove-set":["a"]},"p":{"$proposal":[{"value":1,"verdict":"open"}]}}}`,
		`{"record":"a/b","fields":{"r":2,"n":{"$counter":-5},"s":{"$set":["b","c"]},"t":{"$text":"one 2 three"},"l":{"$list":[1,9,4]},"log":{"$log":["x","y"]},"f":{"$flag":false},"m":{"$map":{"y":3}},"st":{"$stock":4},"b":{"$bounded":{"least":0,"most":10,"value":7}},"g":{"$group":{"b":1}},"rs":{"$remove-set":["b"]},"p":{"$proposal":[{"value":1,"verdict":"declined"},{"value":2,"verdict":"approved"}]}}}`,
	}
	for _, line := range steps {
		if r := s.tryWith(line, "import", "-"); r.code != exitOK {
			t.Fatal(r.stderr)
		}
	}
	want := `{"record":"a/b","fields":{"b":{"$bounded":{"least":0,"most":10,"value":7}},"g":{"$group":{"b":1}},"keep":1,"l":{"$list":[1,9,4]},"log":{"$log":["x","y"]},"m":{"$map":{"x":1,"y":3}},"n":{"$counter":-5},"p":{"$proposal":[{"value":1,"verdict":"declined"},{"value":2,"verdict":"approved"}]},"r":2,"rs":{"$remove-set":["b"]},"s":{"$set":["b","c"]},"st":{"$stock":4},"t":{"$text":"one 2 three"}}}` + "\n"
	if diff := cmp.Diff(want, s.ok("export")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// Only what differs was written.
	log := s.ok("log", "a/b", "--limit", "1")
	wantIn(t, log, `t: inserted "2", deleted 3 characters`, `s: removed "a", added "c"`, "l: inserted [9], deleted 2 values", `appended "y"`, "n: took away 10")
	if strings.Contains(log, "keep") || strings.Contains(log, "m/x") {
		t.Errorf("more was written than the line names:\n%s", log)
	}
}

// TestImportIntoASecondLife imports a text into a record that was deleted.
func TestImportIntoASecondLife(t *testing.T) {
	s := newStore(t)
	line := func(text string) string { return `{"record":"a/b","fields":{"t":{"$text":"` + text + `"}}}` }
	s.tryWith(line("first"), "import", "-")
	s.ok("rm", "a/b")
	if r := s.tryWith(line("second"), "import", "-"); r.code != exitOK || !strings.Contains(r.stdout, "1 new") {
		t.Errorf("exit code %d, %q, %q", r.code, r.stdout, r.stderr)
	}
	if got := s.ok("get", "a/b", "t"); got != "second\n" {
		t.Errorf("the text is %q", got)
	}
	if r := s.tryWith(line("sec0nd"), "import", "-"); r.code == exitOK {
		if got := s.ok("get", "a/b", "t"); got != "sec0nd\n" {
			t.Errorf("the text is %q", got)
		}
	} else {
		wantIn(t, r.stderr, "deleted and made again")
	}
}

func TestImportStops(t *testing.T) {
	s := newStore(t)
	w := s.start("serve", "--listen", "127.0.0.1:0")
	w.address()
	if r := s.tryWith(everyType, "import", "-"); r.code != exitLocked {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	w.end()
}

// FuzzParseRecord wants any line read or refused; what was read is written.
func FuzzParseRecord(f *testing.F) {
	for line := range strings.Lines(everyType) {
		f.Add([]byte(line))
	}
	f.Add([]byte(`{"record":"a/b","fields":{"x":"\ud83d\ude00","y":{"$types":[1,{"$set":[]}]}}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseRecord(line)
		if (r == nil) == (err == nil) && err == nil {
			t.Fatal("neither a record nor an error")
		}
		if err == nil && (r.collection == "" || r.key == "") {
			t.Fatalf("a record without a name: %+v", r)
		}
	})
}
