package scenario

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of what a file may ask for. They stop a typing error from filling the
// memory; a history that needs more is a benchmark.
const (
	maxTimes    = 1_000_000 // rounds of a repeat, repetitions of a text
	maxRecords  = 10_000_000
	maxReplicas = 1_000
)

// A form is how the value of a parameter is read, checked and written.
type form[T any] struct {
	read  func(p *parser, key string, n *node) T
	write func(dst []byte, v T) []byte
	given func(v T) bool // false: an optional parameter is left out
}

func isSet[T comparable](v T) bool { var zero T; return v != zero }

func readString(p *parser, key string, n *node) string {
	if n.kind != nodeString {
		p.want(n, key, "a string")
	}
	return n.text
}

// aText is any string.
var aText = form[string]{read: readString, write: appendString, given: isSet[string]}

// aName is a string that is not empty.
var aName = form[string]{
	read: func(p *parser, key string, n *node) string {
		s := readString(p, key, n)
		if s == "" && n.kind == nodeString {
			p.fault(n, "", "%s is empty", key)
		}
		return s
	},
	write: appendString, given: isSet[string],
}

// oneWord is one of a few strings.
func oneWord(list ...string) form[string] {
	return form[string]{
		read: func(p *parser, key string, n *node) string {
			s := readString(p, key, n)
			if n.kind == nodeString && !slices.Contains(list, s) {
				p.fault(n, nearest(s, list), "%s is %q", key, s)
			}
			return s
		},
		write: appendString, given: isSet[string],
	}
}

// checked is a string with a form of its own.
func checked(what string, ok func(string) bool) form[string] {
	return form[string]{
		read: func(p *parser, key string, n *node) string {
			s := readString(p, key, n)
			if n.kind == nodeString && !ok(s) {
				p.fault(n, "write "+what, "%s is %q", key, s)
			}
			return s
		},
		write: appendString, given: isSet[string],
	}
}

// aReplica is the name of a replica of the scenario.
var aReplica = form[string]{
	read: func(p *parser, key string, n *node) string {
		s := readString(p, key, n)
		if n.kind == nodeString && !slices.Contains(p.replicas, s) {
			p.fault(n, nearest(s, p.replicas), "%s names %q, which is no replica of the scenario", key, s)
		}
		return s
	},
	write: appendString, given: isSet[string],
}

var aRecord = checked("collection/key", isRecord)

var aHex = checked("an even number of hexadecimal digits", func(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil
})

var aLaterVersion = checked(`"+1", or how many versions later`, func(s string) bool {
	n, err := strconv.Atoi(strings.TrimPrefix(s, "+"))
	return strings.HasPrefix(s, "+") && err == nil && n > 0
})

// integer is a number within bounds.
func integer(low, high int) form[int] {
	return form[int]{
		read: func(p *parser, key string, n *node) int {
			i, err := strconv.Atoi(n.text)
			switch {
			case n.kind != nodeNumber:
				p.want(n, key, "a number")
			case err != nil:
				p.fault(n, "", "%s must be an integer, but is %s", key, n.text)
			case i < low || i > high:
				p.fault(n, "", "%s must lie between %d and %d, but is %d", key, low, high, i)
			}
			return i
		},
		write: func(dst []byte, v int) []byte { return strconv.AppendInt(dst, int64(v), 10) },
		given: isSet[int],
	}
}

var anIndex = integer(0, math.MaxInt32)

var aFlag = form[bool]{
	read: func(p *parser, key string, n *node) bool {
		if n.kind != nodeBool {
			p.want(n, key, "true or false")
		}
		return n.text == "true"
	},
	write: strconv.AppendBool, given: isSet[bool],
}

var anAmount = form[*big.Int]{
	read: func(p *parser, key string, n *node) *big.Int {
		if n.kind != nodeNumber && n.kind != nodeString {
			p.want(n, key, "an integer, or a string of one")
			return nil
		}
		v, ok := new(big.Int).SetString(n.text, 10)
		if !ok {
			p.fault(n, "", "%s must be an integer, but is %q", key, n.text)
		}
		return v
	},
	write: func(dst []byte, v *big.Int) []byte {
		if v == nil {
			v = new(big.Int)
		}
		return appendBig(dst, v)
	},
	given: func(v *big.Int) bool { return v != nil },
}

var anInstant = form[time.Time]{
	read: func(p *parser, key string, n *node) time.Time {
		s := readString(p, key, n)
		t, err := time.Parse(time.RFC3339Nano, s)
		if n.kind == nodeString && err != nil {
			p.fault(n, "write it as 2030-01-01T10:00:00Z", "%s is %q, which is no time", key, s)
		}
		return t.UTC()
	},
	write: func(dst []byte, t time.Time) []byte { return appendString(dst, t.UTC().Format(time.RFC3339Nano)) },
	given: func(t time.Time) bool { return !t.IsZero() },
}

var aDuration = form[*time.Duration]{
	read: func(p *parser, key string, n *node) *time.Duration {
		const century = 100 * 366 * 24 * time.Hour
		ms, err := strconv.ParseInt(n.text, 10, 64)
		if n.kind != nodeNumber || err != nil || ms > century.Milliseconds() || ms < -century.Milliseconds() {
			p.fault(n, "", "%s must be an integer of milliseconds, a century at most", key)
			return nil
		}
		d := time.Duration(ms) * time.Millisecond
		return &d
	},
	write: func(dst []byte, d *time.Duration) []byte { return strconv.AppendInt(dst, d.Milliseconds(), 10) },
	given: func(d *time.Duration) bool { return d != nil },
}

var aPosition = form[Position]{
	read: func(p *parser, key string, n *node) Position {
		if n.kind == nodeString {
			switch n.text {
			case End.mark:
				return End
			case Mid.mark:
				return Mid
			}
			p.fault(n, `write a number, "end" or "mid"`, "%s is %q", key, n.text)
			return Position{}
		}
		return At(anIndex.read(p, key, n))
	},
	write: func(dst []byte, v Position) []byte {
		if v.mark != "" {
			return appendString(dst, v.mark)
		}
		return strconv.AppendInt(dst, int64(v.Index), 10)
	},
	given: isSet[Position],
}

var aPercent = form[Percent]{
	read: func(p *parser, key string, n *node) Percent {
		s := readString(p, key, n)
		digits, ok := strings.CutSuffix(s, "%")
		v, err := strconv.ParseFloat(digits, 64)
		if n.kind == nodeString && (!ok || err != nil || !(v >= 0 && v <= 100)) {
			p.fault(n, `write a share such as "40%"`, "%s is %q", key, s)
		}
		return Percent(v)
	},
	write: func(dst []byte, v Percent) []byte {
		return appendString(dst, strconv.FormatFloat(float64(v), 'f', -1, 64)+"%")
	},
	given: isSet[Percent],
}

var aValue = form[any]{
	read: func(p *parser, key string, n *node) any {
		v, err := n.value()
		if err != nil {
			p.fault(n, "", "%s: %v", key, err)
		}
		return v
	},
	write: appendValue,
	given: func(v any) bool { return v != nil },
}

// listOf is a list, read element by element.
func listOf[T any](item form[T], least int) form[[]T] {
	return form[[]T]{
		read: func(p *parser, key string, n *node) []T {
			if n.kind != nodeList {
				p.want(n, key, "a list")
				return nil
			}
			if len(n.kids) < least {
				p.fault(n, "", "%s needs at least %d elements", key, least)
			}
			list := make([]T, len(n.kids))
			for i, kid := range n.kids {
				list[i] = item.read(p, fmt.Sprintf("%s[%d]", key, i), kid)
			}
			return list
		},
		write: func(dst []byte, list []T) []byte {
			dst = append(dst, '[')
			for i, v := range list {
				if i > 0 {
					dst = append(dst, ", "...)
				}
				dst = item.write(dst, v)
			}
			return append(dst, ']')
		},
		given: func(list []T) bool { return list != nil },
	}
}

// oneOrMore is a list whose only element may stand alone.
func oneOrMore[T any](item form[T]) form[[]T] {
	list := listOf(item, 1)
	read := list.read
	list.read = func(p *parser, key string, n *node) []T {
		if n.kind == nodeList {
			return read(p, key, n)
		}
		return []T{item.read(p, key, n)}
	}
	return list
}

var aRepeated = form[*Repeated]{
	read: func(p *parser, key string, n *node) *Repeated {
		r := &Repeated{}
		p.object(n, key, map[string]func(*node){
			"s": func(n *node) { r.Text = aText.read(p, key+".s", n) },
			"n": func(n *node) { r.Times = integer(0, maxTimes).read(p, key+".n", n) },
		}, "s", "n")
		if int64(len(r.Text))*int64(r.Times) > 64<<20 {
			p.fault(n, "", "%s is longer than 64 MiB", key)
			return &Repeated{}
		}
		return r
	},
	write: func(dst []byte, r *Repeated) []byte {
		dst = appendString(append(dst, `{"s": `...), r.Text)
		return append(strconv.AppendInt(append(dst, `, "n": `...), int64(r.Times), 10), '}')
	},
	given: func(r *Repeated) bool { return r != nil },
}

var aPolicy = form[*Policy]{
	read: func(p *parser, key string, n *node) *Policy {
		switch n.kind {
		case nodeString:
			return &Policy{Text: n.text}
		case nodeObject:
			return &Policy{Text: string(n.appendJSON(nil)), JSON: true}
		}
		p.want(n, key, "a policy file's content, as a string or as an object")
		return nil
	},
	write: func(dst []byte, v *Policy) []byte {
		if v.JSON {
			return append(dst, v.Text...)
		}
		return appendString(dst, v.Text)
	},
	given: func(v *Policy) bool { return v != nil },
}

// object reads the members of an object, each by its function. Members that
// have none, and required ones that are missing, are faults.
func (p *parser) object(n *node, what string, members map[string]func(*node), required ...string) {
	if n.kind != nodeObject {
		p.want(n, what, "an object")
		return
	}
	for i, key := range n.keys {
		if read, ok := members[key]; ok {
			read(n.kids[i])
			continue
		}
		p.fault(n.kids[i], nearest(key, sortedKeys(members)), "%s has no key %q", what, key)
	}
	for _, key := range required {
		if n.member(key) == nil {
			p.fault(n, "", "%s lacks %q", what, key)
		}
	}
}
