package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// MaxDepth is how deep lists and maps may be nested in a value. A list of
// numbers has depth 1.
const MaxDepth = 128

// The range of times that a value may hold, in seconds since 1970: years 0 to
// 9999, which is what RFC 3339 can write.
const (
	minTimeSeconds = -62167219200
	maxTimeSeconds = 253402300799
)

// The leading bytes of MessagePack that values use, and the masks of those
// that carry a small number themselves.
const (
	codeFixMap    = 0x80
	codeFixArray  = 0x90
	codeFixString = 0xa0
	codeNil       = 0xc0
	codeFalse     = 0xc2
	codeTrue      = 0xc3
	codeBin8      = 0xc4
	codeBin16     = 0xc5
	codeBin32     = 0xc6
	codeExt8      = 0xc7
	codeFloat64   = 0xcb
	codeUint8     = 0xcc
	codeUint16    = 0xcd
	codeUint32    = 0xce
	codeUint64    = 0xcf
	codeInt8      = 0xd0
	codeInt16     = 0xd1
	codeInt32     = 0xd2
	codeInt64     = 0xd3
	codeFixExt4   = 0xd6
	codeFixExt8   = 0xd7
	codeString8   = 0xd9
	codeString16  = 0xda
	codeString32  = 0xdb
	codeArray16   = 0xdc
	codeArray32   = 0xdd
	codeMap16     = 0xde
	codeMap32     = 0xdf
	codeNegative  = 0xe0

	extTimestamp = 0xff // ext type -1
)

// ValueError reports that a Go value cannot be stored: its type, and why.
type ValueError struct {
	Type   string
	Reason string
}

// Error returns a message with the type and the reason.
func (e *ValueError) Error() string { return "codec: value of type " + e.Type + ": " + e.Reason }

// AppendValue appends the canonical encoding of v to dst.
//
// A value is nil, a bool, an integer, a float, a string, a []byte, a
// time.Time, or a []any or map[string]any of values. Integers of every Go type
// are accepted and read back as int64, float32 as float64, and types whose
// underlying type is one of these as that type. A nil []byte, []any or map is
// written as an empty one. Times keep their milliseconds and lose the rest,
// the zone, and the monotonic clock.
//
// The encoding is MessagePack with one form for each value: the shortest form
// of integers and lengths, floats in 64 bits, map keys in order of their
// bytes, times as the timestamp extension. Equal values have equal bytes, and
// 1, 1.0 and "1" have different ones. Negative zero is written as zero.
//
// O(bytes written), plus the sorting of map keys.
//
// A *[ValueError] reports what cannot be stored: another type, NaN, an integer
// above the range of int64, a string that is not UTF-8, a time outside the
// years 0 to 9999. A *[LimitError] reports nesting beyond [MaxDepth], which a
// value that contains itself also runs into. On error dst is returned as it
// was.
func AppendValue(dst []byte, v any) ([]byte, error) {
	out, err := appendValue(dst, v, 0)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendValue(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, codeNil), nil
	case bool:
		return appendBool(dst, v), nil
	case string:
		return appendString(dst, v)
	case int:
		return appendInt(dst, int64(v)), nil
	case int64:
		return appendInt(dst, v), nil
	case float64:
		return appendFloat(dst, v)
	case []byte:
		return appendBytes(dst, v)
	case time.Time:
		return appendTime(dst, v)
	case []any:
		return appendList(dst, v, depth+1)
	case map[string]any:
		return appendMap(dst, v, depth+1)
	}
	return appendKind(dst, v)
}

// appendKind appends a scalar whose exact type is not one of the common ones.
func appendKind(dst []byte, v any) ([]byte, error) {
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Bool:
		return appendBool(dst, rv.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendInt(dst, rv.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		u := rv.Uint()
		if u > math.MaxInt64 {
			return dst, &ValueError{Type: rv.Type().String(), Reason: fmt.Sprintf("%d is above the range of int64", u)}
		}
		return appendInt(dst, int64(u)), nil
	case reflect.Float32, reflect.Float64:
		return appendFloat(dst, rv.Float())
	case reflect.String:
		return appendString(dst, rv.String())
	}
	return dst, &ValueError{Type: rv.Type().String(), Reason: "this type cannot be stored"}
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, codeTrue)
	}
	return append(dst, codeFalse)
}

func appendInt(dst []byte, v int64) []byte {
	switch {
	case v >= 0:
		switch {
		case v < 1<<7:
			return append(dst, byte(v))
		case v < 1<<8:
			return append(dst, codeUint8, byte(v))
		case v < 1<<16:
			return binary.BigEndian.AppendUint16(append(dst, codeUint16), uint16(v))
		case v < 1<<32:
			return binary.BigEndian.AppendUint32(append(dst, codeUint32), uint32(v))
		}
		return binary.BigEndian.AppendUint64(append(dst, codeUint64), uint64(v))
	case v >= -1<<5:
		return append(dst, byte(v))
	case v >= math.MinInt8:
		return append(dst, codeInt8, byte(v))
	case v >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, codeInt16), uint16(v))
	case v >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, codeInt32), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, codeInt64), uint64(v))
}

func appendFloat(dst []byte, v float64) ([]byte, error) {
	if math.IsNaN(v) {
		return dst, &ValueError{Type: "float64", Reason: "NaN equals nothing, not even itself"}
	}
	if v == 0 {
		v = 0 // negative zero equals zero
	}
	return binary.BigEndian.AppendUint64(append(dst, codeFloat64), math.Float64bits(v)), nil
}

func appendString(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return dst, &ValueError{Type: "string", Reason: "not valid UTF-8; use []byte"}
	}
	n := len(s)
	switch {
	case n < 1<<5:
		dst = append(dst, codeFixString|byte(n))
	case n < 1<<8:
		dst = append(dst, codeString8, byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, codeString16), uint16(n))
	case uint64(n) <= math.MaxUint32:
		dst = binary.BigEndian.AppendUint32(append(dst, codeString32), uint32(n))
	default:
		return dst, &LimitError{What: "string", Got: uint64(n), Max: math.MaxUint32}
	}
	return append(dst, s...), nil
}

func appendBytes(dst, b []byte) ([]byte, error) {
	n := len(b)
	switch {
	case n < 1<<8:
		dst = append(dst, codeBin8, byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, codeBin16), uint16(n))
	case uint64(n) <= math.MaxUint32:
		dst = binary.BigEndian.AppendUint32(append(dst, codeBin32), uint32(n))
	default:
		return dst, &LimitError{What: "bytes", Got: uint64(n), Max: math.MaxUint32}
	}
	return append(dst, b...), nil
}

func appendTime(dst []byte, t time.Time) ([]byte, error) {
	sec := t.Unix()
	nsec := t.Nanosecond() / int(time.Millisecond) * int(time.Millisecond)
	if sec < minTimeSeconds || sec > maxTimeSeconds {
		return dst, &ValueError{Type: "time.Time", Reason: "outside the years 0 to 9999"}
	}
	switch {
	case nsec == 0 && uint64(sec) < 1<<32:
		return binary.BigEndian.AppendUint32(append(dst, codeFixExt4, extTimestamp), uint32(sec)), nil
	case uint64(sec) < 1<<34:
		return binary.BigEndian.AppendUint64(append(dst, codeFixExt8, extTimestamp), uint64(nsec)<<34|uint64(sec)), nil
	}
	dst = binary.BigEndian.AppendUint32(append(dst, codeExt8, 12, extTimestamp), uint32(nsec))
	return binary.BigEndian.AppendUint64(dst, uint64(sec)), nil
}

func appendList(dst []byte, v []any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return dst, &LimitError{What: "nesting", Got: uint64(depth), Max: MaxDepth}
	}
	dst, err := appendCount(dst, len(v), codeFixArray, codeArray16, "list")
	for i := 0; err == nil && i < len(v); i++ {
		dst, err = appendValue(dst, v[i], depth)
	}
	return dst, err
}

func appendMap(dst []byte, v map[string]any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return dst, &LimitError{What: "nesting", Got: uint64(depth), Max: MaxDepth}
	}
	dst, err := appendCount(dst, len(v), codeFixMap, codeMap16, "map")
	if err != nil || len(v) == 0 {
		return dst, err
	}
	keys := keyPool.Get().(*[]string)
	defer releaseKeys(keys)
	for k := range v {
		*keys = append(*keys, k)
	}
	slices.Sort(*keys)
	for _, k := range *keys {
		if dst, err = appendString(dst, k); err != nil {
			return dst, err
		}
		if dst, err = appendValue(dst, v[k], depth); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// keyPool keeps the space in which the keys of maps are sorted.
var keyPool = sync.Pool{New: func() any { return new([]string) }}

// maxPooledKeys is the number of keys up to which their space is kept.
const maxPooledKeys = 1 << 10

func releaseKeys(keys *[]string) {
	if cap(*keys) <= maxPooledKeys {
		clear(*keys)
		*keys = (*keys)[:0]
		keyPool.Put(keys)
	}
}

// appendCount appends the head of a list or map: the short form under fix, or
// the 16-bit form under wide, or the 32-bit form, whose code is the next.
func appendCount(dst []byte, n int, fix, wide byte, what string) ([]byte, error) {
	switch {
	case n < 1<<4:
		return append(dst, fix|byte(n)), nil
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, wide), uint16(n)), nil
	case uint64(n) <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, wide+1), uint32(n)), nil
	}
	return dst, &LimitError{What: what, Got: uint64(n), Max: math.MaxUint32}
}
