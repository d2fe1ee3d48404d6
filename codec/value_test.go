package codec_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/concord-crdt/concord/codec"
)

type (
	status string
	count  uint16
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// utc returns a time in UTC from seconds and milliseconds since 1970.
func utc(sec, ms int64) time.Time { return time.Unix(sec, ms*1e6).UTC() }

// values pairs what is written with its bytes and what is read back.
var values = []struct {
	name  string
	in    any
	bytes string // hexadecimal; of long ones the beginning
	out   any
}{
	{"nil", nil, "c0", nil},
	{"false", false, "c2", false},
	{"true", true, "c3", true},
	{"0", 0, "00", int64(0)},
	{"127", int8(127), "7f", int64(127)},
	{"128", uint8(128), "cc80", int64(128)},
	{"255", int16(255), "ccff", int64(255)},
	{"256", count(256), "cd0100", int64(256)},
	{"65535", uint32(65535), "cdffff", int64(65535)},
	{"65536", int32(65536), "ce00010000", int64(65536)},
	{"2^32-1", uint(math.MaxUint32), "ceffffffff", int64(math.MaxUint32)},
	{"2^32", int64(1 << 32), "cf0000000100000000", int64(1 << 32)},
	{"2^63-1", uint64(math.MaxInt64), "cf7fffffffffffffff", int64(math.MaxInt64)},
	{"-1", -1, "ff", int64(-1)},
	{"-32", -32, "e0", int64(-32)},
	{"-33", -33, "d0df", int64(-33)},
	{"-128", -128, "d080", int64(-128)},
	{"-129", -129, "d1ff7f", int64(-129)},
	{"-32768", math.MinInt16, "d18000", int64(math.MinInt16)},
	{"-32769", -32769, "d2ffff7fff", int64(-32769)},
	{"-2^31", math.MinInt32, "d280000000", int64(math.MinInt32)},
	{"-2^31-1", int64(math.MinInt32 - 1), "d3ffffffff7fffffff", int64(math.MinInt32 - 1)},
	{"-2^63", int64(math.MinInt64), "d38000000000000000", int64(math.MinInt64)},
	{"duration", time.Duration(3), "03", int64(3)},
	{"1.0", 1.0, "cb3ff0000000000000", 1.0},
	{"-0.0", math.Copysign(0, -1), "cb0000000000000000", 0.0},
	{"float32", float32(0.5), "cb3fe0000000000000", 0.5},
	{"infinity", math.Inf(1), "cb7ff0000000000000", math.Inf(1)},
	{"empty string", "", "a0", ""},
	{"string", "1", "a131", "1"},
	{"named string", status("open"), "a46f70656e", "open"},
	{"string of 31", strings.Repeat("x", 31), "bf7878", strings.Repeat("x", 31)},
	{"string of 32", strings.Repeat("x", 32), "d9207878", strings.Repeat("x", 32)},
	{"string of 256", strings.Repeat("x", 256), "da01007878", strings.Repeat("x", 256)},
	{"string of 65536", strings.Repeat("x", 65536), "db000100007878", strings.Repeat("x", 65536)},
	{"nil bytes", []byte(nil), "c400", []byte{}},
	{"bytes", []byte("1"), "c40131", []byte("1")},
	{"bytes of 256", make([]byte, 256), "c5010000", make([]byte, 256)},
	{"bytes of 65536", make([]byte, 65536), "c60001000000", make([]byte, 65536)},
	{"1970", utc(0, 0), "d6ff00000000", utc(0, 0)},
	{"in seconds", utc(1<<32-1, 0), "d6ffffffffff", utc(1<<32-1, 0)},
	{"in milliseconds", time.Unix(1, 2_999_999).In(time.FixedZone("x", 3600)), "d7ff007a120000000001", utc(1, 2)},
	{"after 2106", utc(1<<32, 0), "d7ff0000000100000000", utc(1<<32, 0)},
	{"after 2514", utc(1<<34, 5), "c70cff004c4b400000000400000000", utc(1<<34, 5)},
	{"before 1970", time.Unix(0, -1).UTC(), "c70cff3b8b87c0ffffffffffffffff", utc(-1, 999)},
	{"zero time", time.Time{}, "c70cff00000000fffffff1886e0900", time.Time{}},
	{"empty list", []any(nil), "90", []any{}},
	{"list", []any{1, "a", nil}, "9301a161c0", []any{int64(1), "a", nil}},
	{"list of 16", make([]any, 16), "dc0010c0", make([]any, 16)},
	{"list of 65536", make([]any, 65536), "dd00010000c0", make([]any, 65536)},
	{"empty map", map[string]any(nil), "80", map[string]any{}},
	{
		"map", map[string]any{"b": 1, "": 2, "a": []any{}, "aa": nil},
		"84 a0 02 a161 90 a26161 c0 a162 01",
		map[string]any{"b": int64(1), "": int64(2), "a": []any{}, "aa": nil},
	},
}

func TestValues(t *testing.T) {
	for _, tt := range values {
		t.Run(tt.name, func(t *testing.T) {
			got, err := codec.AppendValue([]byte("before"), tt.in)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := bytes.CutPrefix(got, []byte("before"))
			want := unhex(t, tt.bytes)
			if !ok || !bytes.HasPrefix(got, want) || len(got) != len(want) && len(want) > 10 && len(got) < 32 {
				t.Fatalf("got %x, want %x", got, want)
			}
			out, err := codec.DecodeValue(got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.out, out); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Another implementation of MessagePack reads what this one writes.
func TestValuesAreMessagePack(t *testing.T) {
	for _, tt := range values {
		b, err := codec.AppendValue(nil, tt.in)
		if err != nil {
			t.Fatal(err)
		}
		dec := msgpack.NewDecoder(bytes.NewReader(b))
		got, err := dec.DecodeInterface()
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if at, ok := tt.out.(time.Time); ok {
			if p, ok := got.(*time.Time); ok { // how that library returns extensions
				got = *p
			}
			if other, ok := got.(time.Time); !ok || !other.Equal(at) {
				t.Errorf("%s: got %v", tt.name, got)
			}
			continue
		}
		again, err := codec.AppendValue(nil, got)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: the other library read it as another value (%v)", tt.name, err)
		}
	}
}

func TestAppendValueRefuses(t *testing.T) {
	self := []any{nil}
	self[0] = self
	loop := map[string]any{}
	loop["x"] = []any{loop}
	tests := []struct {
		name string
		in   any
	}{
		{"NaN", math.NaN()},
		{"uint64 above int64", uint64(math.MaxInt64 + 1)},
		{"not UTF-8", "\xff"},
		{"key not UTF-8", map[string]any{"a": 1, "\xff": 1}},
		{"year 10000", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"year -1", time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"struct", struct{}{}},
		{"pointer", new(int)},
		{"nil pointer", (*int)(nil)},
		{"typed slice", []string{"a"}},
		{"complex", 1i},
		{"function", func() {}},
		{"nested", []any{1, map[string]any{"a": []any{math.NaN()}}}},
		{"list in itself", self},
		{"map in itself", loop},
		{"lists nested 129 deep", nestedList(codec.MaxDepth + 1)},
		{"maps nested 129 deep", nestedMap(codec.MaxDepth + 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := codec.AppendValue([]byte("before"), tt.in)
			if string(got) != "before" {
				t.Errorf("dst became %q", got)
			}
			_, isValue := errors.AsType[*codec.ValueError](err)
			if !isValue && !errors.Is(err, codec.ErrLimit) {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func nestedList(depth int) any {
	v := []any{}
	for range depth - 1 {
		v = []any{v}
	}
	return v
}

func nestedMap(depth int) any {
	v := map[string]any{}
	for range depth - 1 {
		v = map[string]any{"": v}
	}
	return v
}

func TestValuesNestUpToTheLimit(t *testing.T) {
	for _, want := range []any{nestedList(codec.MaxDepth), nestedMap(codec.MaxDepth)} {
		b, err := codec.AppendValue(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := codec.DecodeValue(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(want, got) { // cmp.Diff takes twice as long for each level
			t.Errorf("got %v", got)
		}
	}
}

func TestCheckValueRefuses(t *testing.T) {
	tests := []struct {
		name   string
		bytes  string
		want   error
		offset int
	}{
		{"nothing", "", codec.ErrTruncated, 0},
		{"two values", "0001", codec.ErrTrailing, 1},
		{"code that is never used", "c1", codec.ErrMalformed, 0},
		{"float32", "ca3f800000", codec.ErrMalformed, 0},
		{"NaN", "cb7ff8000000000000", codec.ErrNotCanonical, 0},
		{"negative zero", "cb8000000000000000", codec.ErrNotCanonical, 0},
		{"127 in two bytes", "cc7f", codec.ErrNotCanonical, 0},
		{"255 in three bytes", "cd00ff", codec.ErrNotCanonical, 0},
		{"65535 in five bytes", "ce0000ffff", codec.ErrNotCanonical, 0},
		{"2^32-1 in nine bytes", "cf00000000ffffffff", codec.ErrNotCanonical, 0},
		{"2^63", "cf8000000000000000", codec.ErrLimit, 0},
		{"positive as int8", "d001", codec.ErrNotCanonical, 0},
		{"-32 in two bytes", "d0e0", codec.ErrNotCanonical, 0},
		{"-128 in three bytes", "d1ff80", codec.ErrNotCanonical, 0},
		{"-32768 in five bytes", "d2ffff8000", codec.ErrNotCanonical, 0},
		{"-2^31 in nine bytes", "d3ffffffff80000000", codec.ErrNotCanonical, 0},
		{"integer cut", "cd01", codec.ErrTruncated, 1},
		{"short string in long form", "d90161", codec.ErrNotCanonical, 0},
		{"string of 255 in 16 bits", "da00ff", codec.ErrNotCanonical, 0},
		{"string of 65535 in 32 bits", "db0000ffff", codec.ErrNotCanonical, 0},
		{"string cut", "a261", codec.ErrTruncated, 1},
		{"string of 4 GiB", "dbffffffff61", codec.ErrTruncated, 0},
		{"string not UTF-8", "a1ff", codec.ErrMalformed, 0},
		{"bytes of 255 in 16 bits", "c500ff", codec.ErrNotCanonical, 0},
		{"bytes of 4 GiB", "c6ffffffff", codec.ErrTruncated, 0},
		{"list of 15 in 16 bits", "dc000f", codec.ErrNotCanonical, 0},
		{"list of 65535 in 32 bits", "dd0000ffff", codec.ErrNotCanonical, 0},
		{"list of 4 G", "ddffffffff", codec.ErrTruncated, 0},
		{"list cut", "9201", codec.ErrTruncated, 0},
		{"nested list cut", "92920101", codec.ErrTruncated, 4},
		{"map of 15 in 16 bits", "de000f", codec.ErrNotCanonical, 0},
		{"map of 4 G", "dfffffffff", codec.ErrTruncated, 0},
		{"map with too little", "82a100", codec.ErrTruncated, 0},
		{"map with a number as key", "810101", codec.ErrMalformed, 1},
		{"map with bytes as key", "81c4016101", codec.ErrMalformed, 1},
		{"map with a list as key", "819001", codec.ErrMalformed, 1},
		{"map with a key twice", "82a16101a16102", codec.ErrNotCanonical, 4},
		{"map with the empty key twice", "82a001a002", codec.ErrNotCanonical, 3},
		{"map out of order", "82a16201a16102", codec.ErrNotCanonical, 4},
		{"nested map out of order", "9182a16201a16102", codec.ErrNotCanonical, 5},
		{"other extension", "d60500000000", codec.ErrMalformed, 0},
		{"extension of 1 byte", "d4ff00", codec.ErrMalformed, 0},
		{"extension of 11 bytes", "c70bff0000000000000000000000", codec.ErrMalformed, 0},
		{"seconds in 8 bytes", "d7ff0000000000000001", codec.ErrNotCanonical, 0},
		{"seconds in 12 bytes", "c70cff000000000000000000000001", codec.ErrNotCanonical, 0},
		{"microseconds", "d7ff00000fa000000001", codec.ErrNotCanonical, 0},
		{"1000 milliseconds", "d7ffee6b280000000001", codec.ErrMalformed, 0},
		{"year 10000", "c70cff000000000000003afff44180", codec.ErrMalformed, 0},
		{"year -1", "c70cff00000000fffffff1868b83ff", codec.ErrMalformed, 0},
		{"nesting of 129", strings.Repeat("91", 128) + "90", codec.ErrLimit, 128},
		{"nesting of a million", strings.Repeat("91", 1e6), codec.ErrLimit, 128},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.bytes)
			err := codec.CheckValue(b)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got error %v, want %v", err, tt.want)
			}
			if at, ok := errors.AsType[*codec.DecodeError](err); !ok || at.Offset != tt.offset {
				t.Errorf("got %v, want it at %d", err, tt.offset)
			}
			if v, err := codec.DecodeValue(b); err == nil {
				t.Errorf("DecodeValue returned %v", v)
			}
		})
	}
}

func TestDecodedValuesAreCopies(t *testing.T) {
	b, err := codec.AppendValue(nil, []any{"text", []byte("data")})
	if err != nil {
		t.Fatal(err)
	}
	v, err := codec.DecodeValue(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if diff := cmp.Diff([]any{"text", []byte("data")}, v); diff != "" {
		t.Error(diff)
	}
}

func TestCheckValueAllocatesNothing(t *testing.T) {
	b, err := codec.AppendValue(nil, map[string]any{"a": []any{1, "x", nestedList(6)}, "b": time.Time{}})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { err = codec.CheckValue(b) }); n != 0 || err != nil {
		t.Errorf("%v allocations, error %v", n, err)
	}
}
