package codec_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/concord-crdt/concord/codec"
)

// propertySeed makes every run the same; gopter prints it with a failure.
const propertySeed = 20260101

// property checks that holds returns nil for inputs of the generator.
func property[T any](t *testing.T, name string, inputs gopter.Gen, holds func(T) error) {
	t.Helper()
	parameters := gopter.DefaultTestParametersWithSeed(propertySeed)
	parameters.MinSuccessfulTests = 300
	properties := gopter.NewProperties(parameters)
	properties.Property(name, prop.ForAll(func(v T) (bool, error) {
		err := holds(v)
		return err == nil, err
	}, inputs))
	properties.TestingRun(t)
}

// numbers generates columns: runs, steps and noise.
func numbers() gopter.Gen {
	few := gen.UInt64Range(0, 3)
	return gen.OneGenOf(gen.SliceOf(few), gen.SliceOf(gen.UInt64()), gen.SliceOf(gen.OneGenOf(few, gen.UInt64())))
}

func TestUintColumnProperties(t *testing.T) {
	property(t, "reads what was written, in no more than one block a value", numbers(), func(v []uint64) error {
		var w codec.Writer
		w.UintColumn(v)
		r := codec.NewReader(w.Bytes())
		c := r.UintColumn("column", len(v))
		if err := r.Close(); err != nil {
			return err
		}
		if got := slices.Collect(c.All()); !slices.Equal(got, v) {
			return fmt.Errorf("got %v", got)
		}
		var plain codec.Writer
		for _, u := range v {
			plain.Uvarint(u)
		}
		if limit := plain.Len() + len(v) + 10; w.Len() > limit {
			return fmt.Errorf("%d bytes, more than %d", w.Len(), limit)
		}
		if len(v) > 0 {
			short := codec.NewReader(w.Bytes())
			if short.UintColumn("column", len(v)-1); short.Err() == nil {
				return fmt.Errorf("one value above the limit was accepted")
			}
		}
		return nil
	})
}

func TestDeltaColumnProperties(t *testing.T) {
	signed := gen.SliceOf(gen.OneGenOf(gen.Int64Range(-2, 2), gen.Int64()))
	property(t, "reads what was written", signed, func(v []int64) error {
		var w codec.Writer
		w.DeltaColumn(v)
		r := codec.NewReader(w.Bytes())
		c := r.DeltaColumn("column", len(v))
		if err := r.Close(); err != nil {
			return err
		}
		if got := slices.Collect(c.All()); !slices.Equal(got, v) {
			return fmt.Errorf("got %v", got)
		}
		return nil
	})
	property(t, "even steps take few bytes", gen.Int64(), func(step int64) error {
		v := make([]int64, 1000)
		for i := range v {
			v[i] = step * int64(i+1)
		}
		var w codec.Writer
		w.DeltaColumn(v)
		if w.Len() > 16 {
			return fmt.Errorf("%d bytes", w.Len())
		}
		return nil
	})
}

func TestBoolColumnProperties(t *testing.T) {
	property(t, "reads what was written", gen.SliceOf(gen.Bool()), func(v []bool) error {
		var w codec.Writer
		w.BoolColumn(v)
		r := codec.NewReader(w.Bytes())
		c := r.BoolColumn("column", len(v))
		if err := r.Close(); err != nil {
			return err
		}
		if got := slices.Collect(c.All()); !slices.Equal(got, v) {
			return fmt.Errorf("got %v", got)
		}
		return nil
	})
}

func TestStringColumnProperties(t *testing.T) {
	texts := gen.SliceOf(gen.OneGenOf(gen.OneConstOf("", "a", "b", "ab"), gen.AnyString()))
	property(t, "reads what was written, once for each distinct string", texts, func(v []string) error {
		for i := range v {
			v[i] = string([]rune(v[i])) // surrogates become U+FFFD
		}
		var w codec.Writer
		w.StringColumn(v)
		r := codec.NewReader(w.Bytes())
		c := r.StringColumn("column", len(v), maxCellBytes)
		if err := r.Close(); err != nil {
			return err
		}
		if got := slices.Collect(c.All()); !slices.Equal(got, v) {
			return fmt.Errorf("got %q", got)
		}
		var twice codec.Writer
		if twice.StringColumn(slices.Repeat(v, 2)); twice.Len() > w.Len()+2*len(v)+12 {
			return fmt.Errorf("%d bytes, twice the column %d", w.Len(), twice.Len())
		}
		return nil
	})
}

// box carries a value of any type, nil too, through gopter.
type box struct{ v any }

// anyValue generates values of all types, nested up to the given depth.
func anyValue(depth int) gopter.Gen {
	return func(p *gopter.GenParameters) *gopter.GenResult {
		return gopter.NewGenResult(box{randomValue(p.Rng, depth)}, gopter.NoShrinker)
	}
}

func randomValue(rng *rand.Rand, depth int) any {
	kinds := 10
	if depth == 0 {
		kinds = 8 // no list, no map
	}
	switch rng.Intn(kinds) {
	case 0:
		return nil
	case 1:
		return rng.Intn(2) == 1
	case 2:
		return int64(rng.Intn(400) - 200)
	case 3:
		return int64(rng.Uint64()) >> rng.Intn(64)
	case 4:
		return rng.NormFloat64()
	case 5:
		return strings.Repeat("ü", rng.Intn(200))
	case 6:
		b := make([]byte, rng.Intn(300))
		rng.Read(b)
		return b
	case 7:
		const first, last = -62167219200_000, 253402300799_999 // years 0 to 9999
		return time.UnixMilli(first + rng.Int63n(last-first+1)>>rng.Intn(20)).UTC()
	case 8:
		list := make([]any, rng.Intn(20))
		for i := range list {
			list[i] = randomValue(rng, depth-1)
		}
		return list
	}
	m := make(map[string]any)
	for range rng.Intn(20) {
		m[strings.Repeat("k", rng.Intn(3))+string(rune('a'+rng.Intn(20)))] = randomValue(rng, depth-1)
	}
	return m
}

func TestValueProperties(t *testing.T) {
	pairs := gopter.CombineGens(anyValue(2), anyValue(2)).Map(func(v []any) [2]box {
		return [2]box{v[0].(box), v[1].(box)}
	})
	property(t, "reads what was written", pairs, func(pair [2]box) error {
		v := pair[0].v
		b, err := codec.AppendValue(nil, v)
		if err != nil {
			return err
		}
		got, err := codec.DecodeValue(b)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(got, v) {
			return fmt.Errorf("got %#v from %x", got, b)
		}
		again, err := codec.AppendValue(nil, got)
		if err != nil || !bytes.Equal(again, b) {
			return fmt.Errorf("encoded as %x, then as %x (%v)", b, again, err)
		}
		for n := 0; n < len(b); n += 1 + n/50 {
			if codec.CheckValue(b[:n]) == nil {
				return fmt.Errorf("the first %d bytes of %x pass as a value", n, b)
			}
		}
		return nil
	})
	property(t, "equal bytes mean equal values", pairs, func(pair [2]box) error {
		a, errA := codec.AppendValue(nil, pair[0].v)
		b, errB := codec.AppendValue(nil, pair[1].v)
		if errA != nil || errB != nil {
			return fmt.Errorf("%v, %v", errA, errB)
		}
		if bytes.Equal(a, b) != reflect.DeepEqual(pair[0].v, pair[1].v) {
			return fmt.Errorf("%#v and %#v encode to %x and %x", pair[0].v, pair[1].v, a, b)
		}
		return nil
	})
	property(t, "integers have one form whatever their type", gen.Int64Range(math.MinInt32, math.MaxInt32), func(i int64) error {
		want, err := codec.AppendValue(nil, i)
		if err != nil {
			return err
		}
		forms := []any{int(i), int32(i), time.Duration(i)}
		if i >= 0 {
			forms = append(forms, uint32(i), uint64(i), uint(i))
		}
		for _, form := range forms {
			if got, err := codec.AppendValue(nil, form); err != nil || !bytes.Equal(got, want) {
				return fmt.Errorf("%T: got %x, %v, want %x", form, got, err, want)
			}
		}
		return nil
	})
}

func TestFrameProperties(t *testing.T) {
	bodies := gen.SliceOf(gen.SliceOf(gen.UInt8()))
	property(t, "any change of a byte is found", bodies, func(bodies [][]byte) error {
		var stream []byte
		for i, body := range bodies {
			stream = codec.AppendFrame(stream, codec.Frame{Type: byte(i), Flags: byte(i) & 0x0f, Body: body})
		}
		if len(stream) == 0 {
			return nil
		}
		at := len(stream) * 2 / 3
		for bit := range 8 {
			damaged := bytes.Clone(stream)
			damaged[at] ^= 1 << bit
			frames := 0
			var last error
			for _, err := range codec.Frames(bytes.NewReader(damaged), 0) {
				if last = err; err == nil {
					frames++
				}
			}
			if last == nil || frames >= len(bodies) {
				return fmt.Errorf("bit %d of byte %d: %d of %d frames, %v", bit, at, frames, len(bodies), last)
			}
		}
		return nil
	})
}
