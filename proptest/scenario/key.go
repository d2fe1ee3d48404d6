package scenario

import (
	"fmt"
	"strings"
)

// Kind says in which form an object is read.
type Kind string

// The kinds of reads. A world answers [Replica.Read] for the first group; the
// runner derives the second from it, and reads the third by [RecordReader].
const (
	KindText     Kind = "text"     // string
	KindSpans    Kind = "spans"    // []any of {text, marks}: runs of equal marks
	KindList     Kind = "list"     // []any
	KindSet      Kind = "set"      // Set
	KindMap      Kind = "map"      // map[string]any, nested
	KindCounter  Kind = "counter"  // int64, or decimal text when larger
	KindRegister Kind = "register" // the value that the last write left, or nil
	KindMulti    Kind = "mv"       // Set of the siblings

	KindTextLen    Kind = "text_len"    // code points of the text
	KindTextSHA256 Kind = "text_sha256" // lower-case hex over its UTF-8

	KindRecord Kind = "record" // map[string]any of field to view value
)

// Key names what is read: an object of the scenario's record, or a record, or
// one field of a record.
type Key struct {
	Kind   Kind
	Object string // for all kinds but records
	Record string // collection/key
	Field  string // of the record; empty for all of it
}

// String returns the key as files have it, such as text:t or
// record:tour/1.events.
func (k Key) String() string {
	if k.Kind != KindRecord {
		return string(k.Kind) + ":" + k.Object
	}
	if k.Field != "" {
		return "record:" + k.Record + "." + k.Field
	}
	return "record:" + k.Record
}

var kinds = []Kind{KindText, KindSpans, KindList, KindSet, KindMap, KindCounter, KindRegister, KindMulti,
	KindTextLen, KindTextSHA256, KindRecord}

// parseKey reads a key. Only predicates may name a field of a record; there it
// stands behind the last dot.
func parseKey(text string, withField bool) (Key, error) {
	kind, object, ok := strings.Cut(text, ":")
	if !ok || object == "" {
		return Key{}, fmt.Errorf("%q is not of the form type:object", text)
	}
	for _, k := range kinds {
		if string(k) != kind {
			continue
		}
		if k != KindRecord {
			return Key{Kind: k, Object: object}, nil
		}
		key := Key{Kind: k, Record: object}
		if i := strings.LastIndexByte(object, '.'); withField && i >= 0 {
			key.Record, key.Field = object[:i], object[i+1:]
		}
		if !isRecord(key.Record) || withField && key.Field == "" {
			break
		}
		return key, nil
	}
	if kind == string(KindRecord) {
		if withField {
			return Key{}, fmt.Errorf("%q is not of the form record:collection/key.field", text)
		}
		return Key{}, fmt.Errorf("%q is not of the form record:collection/key", text)
	}
	return Key{}, fmt.Errorf("%q reads a type that is none of %s", text, joined(kinds))
}

// isRecord reports whether a name has the form collection/key.
func isRecord(name string) bool {
	collection, key, ok := strings.Cut(name, "/")
	return ok && collection != "" && key != ""
}

func joined[S ~string](list []S) string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = string(s)
	}
	return strings.Join(texts, ", ")
}
