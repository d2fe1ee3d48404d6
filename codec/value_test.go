package codec_test

import (
	"testing"
	"time"

	"github.com/concord-crdt/concord/codec"
	"github.com/google/go-cmp/cmp"
)

func TestValueRoundTrip(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	want := map[string]any{
		"a": []any{nil, true, false, int64(-33), int64(1 << 40), 1.5, "x", []byte{1}},
		"t": at, "old": time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), "far": time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
		"m": map[string]any{},
	}
	b, err := codec.AppendValue(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := codec.DecodeValue(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(any(want), got); d != "" {
		t.Error(d)
	}
}
