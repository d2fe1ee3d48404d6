package main

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseValue(t *testing.T) {
	for _, c := range []struct {
		in   string
		want any
	}{
		{"5", int64(5)},
		{"-0", int64(0)},
		{"5.0", 5.0},
		{"1e3", 1000.0},
		{"-9223372036854775808", int64(math.MinInt64)},
		{"true", true},
		{"false", false},
		{"null", nil},
		{`"5"`, "5"},
		{`"a\u00e4"`, "aä"},
		{"", ""},
		{"Ada", "Ada"},
		{"0123", "0123"},
		{" 5", " 5"},
		{"5 ", "5 "},
		{"+5", "+5"},
		{"True", "True"},
		{`"open`, `"open`},
		{"[1]", "[1]"},
		{`{"a":1}`, `{"a":1}`},
		{"☃", "☃"},
	} {
		got, err := parseValue(c.in)
		if err != nil {
			t.Errorf("parseValue(%q): %v", c.in, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("parseValue(%q), -want +got:\n%s", c.in, diff)
		}
	}
	for _, in := range []string{"9223372036854775808", "1e999", "\xff"} {
		if v, err := parseValue(in); exitCode(err) != exitUsage {
			t.Errorf("parseValue(%q) = %v, %v; want a usage error", in, v, err)
		}
	}
}

func TestParseJSON(t *testing.T) {
	got, err := parseJSON(`{"a": [1, 1.0, null, "x"], "b": {"c": true}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"a": []any{int64(1), 1.0, nil, "x"}, "b": map[string]any{"c": true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, in := range []string{"", "x", "[1", "1 2", "[99999999999999999999]", `{"a": 1e999}`, "\"\xff\""} {
		if v, err := parseJSON(in); exitCode(err) != exitUsage {
			t.Errorf("parseJSON(%q) = %v, %v; want a usage error", in, v, err)
		}
	}
}

// TestJSONValueReadsBack writes values as JSON, and reads the same ones.
func TestJSONValueReadsBack(t *testing.T) {
	for _, v := range []any{
		nil, true, int64(math.MaxInt64), 1.0, 0.1, 1e21, -1e-9, "a<b>&\n", []any{}, map[string]any{"k": []any{1.0, int64(1)}},
	} {
		var b bytes.Buffer
		if err := writeJSON(&b, jsonValue(v)); err != nil {
			t.Fatalf("%v: %v", v, err)
		}
		got, err := parseJSON(b.String())
		if err != nil {
			t.Fatalf("%v as %s: %v", v, b.String(), err)
		}
		if diff := cmp.Diff(v, got); diff != "" {
			t.Errorf("%s, -want +got:\n%s", b.String(), diff)
		}
	}
	for _, v := range []any{math.Inf(-1), []byte{0, 255}, time.UnixMilli(1)} {
		if b, err := json.Marshal(jsonValue(v)); err != nil || b[0] != '"' {
			t.Errorf("%v: got %s, %v; want a string", v, b, err)
		}
	}
}

func TestShow(t *testing.T) {
	for _, c := range []struct {
		v     any
		limit int
		want  string
	}{
		{nil, 80, "null"},
		{int64(-3), 80, "-3"},
		{2.0, 80, "2.0"},
		{"a\x1b[31m\n", 80, `"a\x1b[31m\n"`},
		{"ääää", 5, `"ää"…`},
		{[]any{"a", nil}, 80, `["a", null]`},
		{map[string]any{"b": 1.5, "a": true}, 80, `{"a": true, "b": 1.5}`},
		{[]byte("xyz"), 80, "3 bytes"},
	} {
		if got := show(c.v, c.limit); got != c.want {
			t.Errorf("show(%v, %d) = %s, want %s", c.v, c.limit, got, c.want)
		}
	}
}

func TestPlainAndQuoting(t *testing.T) {
	for in, want := range map[string]string{"bo": "bo", "": `""`, "a b": `"a b"`, "ü/x": "ü/x", "\x1b[1m": `"\x1b[1m"`, `a"b`: `"a\"b"`} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{"a/b-7": "a/b-7", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'"} {
		if got := shellQuote(in); got != want {
			t.Errorf("shellQuote(%q) = %s, want %s", in, got, want)
		}
	}
	if got := defuse("a\x1b[31m\tb\nc\u009b"); got != `a\x1b[31m`+"\tb\nc"+`\x9b` {
		t.Errorf("defuse left %q", got)
	}
}
