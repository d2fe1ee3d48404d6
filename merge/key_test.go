package merge_test

import (
	"math"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/merge"
)

// ascending lists keys from the least to the greatest.
var ascending = []struct {
	name string
	key  merge.Key
}{
	{"empty", merge.KeyOf()},
	{"false", merge.KeyOf(merge.Bool(false))},
	{"true", merge.KeyOf(merge.Bool(true))},
	{"true, then false", merge.KeyOf(merge.Bool(true), merge.Bool(false))},
	{"true, then false, then 1", merge.KeyOf(merge.Bool(true), merge.Bool(false), merge.Int(1))},
	{"true, then -1", merge.KeyOf(merge.Bool(true), merge.Int(-1))},
	{"least integer", merge.KeyOf(merge.Int(math.MinInt64))},
	{"-1", merge.KeyOf(merge.Int(-1))},
	{"0", merge.KeyOf(merge.Int(0))},
	{"0, then a string", merge.KeyOf(merge.Int(0), merge.Text(""))},
	{"1", merge.KeyOf(merge.Int(1))},
	{"greatest integer", merge.KeyOf(merge.Int(math.MaxInt64))},
	{"empty string", merge.KeyOf(merge.Text(""))},
	{"B", merge.KeyOf(merge.Text("B"))},
	{"a", merge.KeyOf(merge.Text("a"))},
	{"a with a zero byte", merge.KeyOf(merge.Text("a\x00"))},
	{"ä", merge.KeyOf(merge.Text("ä"))},
	{"stamp 0", merge.KeyOf(merge.Later(0))},
	{"noon", merge.KeyOf(merge.Later(noon))},
	{"noon and one", merge.KeyOf(merge.Later(noon + 1))},
	{"last stamp", merge.KeyOf(merge.Later(clock.MaxStamp))},
	{"earlier than the last stamp", merge.KeyOf(merge.Earlier(clock.MaxStamp))},
	{"earlier than noon and one", merge.KeyOf(merge.Earlier(noon + 1))},
	{"earlier than noon", merge.KeyOf(merge.Earlier(noon))},
	{"earlier than 0", merge.KeyOf(merge.Earlier(0))},
}

func TestKeyOrder(t *testing.T) {
	for i, a := range ascending {
		for j, b := range ascending {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := a.key.Compare(b.key); got != want {
				t.Errorf("%s against %s: got %d, want %d", a.name, b.name, got, want)
			}
		}
	}
}

func TestKeyString(t *testing.T) {
	tests := []struct {
		key  merge.Key
		want string
	}{
		{merge.KeyOf(), "()"},
		{merge.KeyOf(merge.Int(-3)), "(-3)"},
		{merge.KeyOf(merge.Bool(true), merge.Text("a\"b"), merge.Bool(false)), `(true, "a\"b", false)`},
		{merge.KeyOf(merge.Later(noon)), "(" + noon.String() + ")"},
		{merge.KeyOf(merge.Earlier(noon)), "(earlier " + noon.String() + ")"},
		{merge.KeyOf(merge.Atom{}, merge.Int(1), merge.Atom{}), "(1)"},
	}
	for _, tt := range tests {
		if got := tt.key.String(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

// A key keeps what it was made of: a caller may use its slice again.
func TestKeyOfCopies(t *testing.T) {
	atoms := []merge.Atom{merge.Int(1), merge.Int(2)}
	k := merge.KeyOf(atoms...)
	atoms[0], atoms[1] = merge.Int(9), merge.Int(9)
	if k.Compare(merge.KeyOf(merge.Int(1), merge.Int(2))) != 0 {
		t.Errorf("the key changed with the slice: %v", k)
	}
}
