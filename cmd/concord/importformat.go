package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/concord-crdt/concord/crdt"
)

// importedRecord is a line of an import, read and ready to be written.
type importedRecord struct {
	collection, key string
	fields          []importedField
}

// importedField is a field that is to show something.
type importedField struct {
	name  string
	kind  crdt.Type
	write writing
}

// parseRecord reads one line as export writes it.
func parseRecord(line []byte) (*importedRecord, error) {
	v, err := parseStrict(line)
	if err != nil {
		return nil, err
	}
	members, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf(`the line is %s; write {"record":"COLLECTION/KEY","fields":{...}}`, jsonKind(v))
	}
	if err := checkMembers(members, "record", "fields"); err != nil {
		return nil, err
	}
	name, ok := members["record"].(string)
	if !ok {
		return nil, fmt.Errorf(`"record" is %s; write "COLLECTION/KEY"`, jsonKind(members["record"]))
	}
	r := &importedRecord{}
	if r.collection, r.key, err = splitRecord(name); err != nil {
		return nil, err
	}
	if len(r.collection) > maxNameBytes || len(r.key) > maxNameBytes || strings.ContainsRune(name, 0) {
		return nil, fmt.Errorf("the name %s has a part of more than %d bytes, or a zero byte", quote(name, shownBytes), maxNameBytes)
	}
	r.fields, err = parseFields(members["fields"], "", false)
	return r, err
}

// maxNameBytes is how long a collection or a key may be.
const maxNameBytes = 512

// checkMembers wants an object to have just these members.
func checkMembers(members map[string]any, names ...string) error {
	for _, name := range names {
		if _, ok := members[name]; !ok {
			return fmt.Errorf("it has no %q", name)
		}
	}
	for _, name := range sortedNames(members) {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%s is not known here; the members are %s", plain(fmt.Sprintf("%q", name)), strings.Join(names, ", "))
		}
	}
	return nil
}

func sortedNames(members map[string]any) []string {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// parseFields reads fields by name: of a record, or of a map below the path.
func parseFields(v any, path string, inMap bool) ([]importedField, error) {
	members, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is %s; want an object of fields by name", placeOf(path, "fields"), jsonKind(v))
	}
	var out []importedField
	for _, name := range sortedNames(members) {
		at := fromStep.Replace(name)
		if path != "" {
			at = path + "/" + at
		}
		under := []any{members[name]}
		if tag, content := tagIn(members[name]); tag == tagTypes {
			if under, ok = content.([]any); !ok || len(under) == 0 {
				return nil, fmt.Errorf("field %s: %s wants a list of fields", plain(at), tagTypes)
			}
		}
		for _, u := range under {
			f, err := parseField(u, at, inMap)
			if err != nil {
				return nil, err
			}
			if f.name = name; slices.ContainsFunc(out, func(o importedField) bool { return o.name == name && o.kind == f.kind }) {
				return nil, fmt.Errorf("field %s is there twice as a %v", plain(at), f.kind)
			}
			out = append(out, f)
		}
	}
	return out, nil
}

func placeOf(path, otherwise string) string {
	if path == "" {
		return fmt.Sprintf("%q", otherwise)
	}
	return "field " + plain(path)
}

// tagIn gives the tag of an object and what it holds; "" for anything else.
func tagIn(v any) (tag string, content any) {
	if members, ok := v.(map[string]any); ok && len(members) == 1 {
		for name, x := range members {
			if strings.HasPrefix(name, tagMark) {
				return name, x
			}
		}
	}
	return "", nil
}

func parseField(v any, at string, inMap bool) (f importedField, err error) {
	tag, content := tagIn(v)
	f.kind = crdt.TypeRegister
	switch tag {
	case "", tagBytes, tagTime, tagFloat, tagObject:
		content = v
	default:
		if f.kind, err = crdt.ParseType(strings.TrimPrefix(tag, tagMark)); err != nil {
			return f, fmt.Errorf("field %s: there is no tag %s; see: concord export --help", plain(at), plain(tag))
		}
	}
	if inMap && onlyInRecords(f.kind) {
		return f, fmt.Errorf("field %s: a %v cannot be in a map", plain(at), f.kind)
	}
	if f.kind == crdt.TypeMap {
		kids, err := parseFields(content, at, true)
		f.write = writeMap(kids)
		return f, err
	}
	if f.write, err = parseContent(f.kind, content); err != nil {
		err = fmt.Errorf("field %s: %w", plain(at), err)
	}
	return f, err
}

// parseContent reads what a field of a type is to show.
func parseContent(kind crdt.Type, v any) (writing, error) {
	switch kind {
	case crdt.TypeRegister:
		x, err := parsePortable(v)
		return writeRegister(x), err
	case crdt.TypeGroup:
		members, ok := v.(map[string]any)
		if !ok {
			return nil, wants(kind, "an object", v)
		}
		parts, err := parseMembers(members)
		return writeGroup(parts), err
	case crdt.TypeCounter, crdt.TypeStock:
		n, err := parseBig(v)
		if err != nil {
			return nil, err
		}
		if kind == crdt.TypeCounter {
			return writeCounter(n), nil
		}
		return writeStock(n), nil
	case crdt.TypeFlag, crdt.TypeDisableFlag:
		on, ok := v.(bool)
		if !ok {
			return nil, wants(kind, "true or false", v)
		}
		return writeFlag(kind, on), nil
	case crdt.TypeText:
		s, ok := v.(string)
		if !ok {
			return nil, wants(kind, "a text", v)
		}
		return writeText(s), nil
	case crdt.TypeBounded:
		return parseBounded(v)
	}
	list, ok := v.([]any)
	if !ok {
		return nil, wants(kind, "a list", v)
	}
	if kind == crdt.TypeProposal {
		return parseProposals(list)
	}
	values := make([]any, len(list))
	for i := range list {
		var err error
		if values[i], err = parsePortable(list[i]); err != nil {
			return nil, err
		}
	}
	switch kind {
	case crdt.TypeList:
		return writeList(values), nil
	case crdt.TypeLog:
		return writeLog(values), nil
	}
	return writeSet(kind, values), nil
}

func wants(kind crdt.Type, what string, got any) error {
	return fmt.Errorf("a %v wants %s, and this is %s", kind, what, jsonKind(got))
}

func parseBounded(v any) (writing, error) {
	members, ok := v.(map[string]any)
	if !ok {
		return nil, wants(crdt.TypeBounded, "an object", v)
	}
	if err := checkMembers(members, memberLeast, memberMost, memberValue); err != nil {
		return nil, err
	}
	var at [3]int64
	for i, name := range []string{memberLeast, memberMost, memberValue} {
		n, err := parseBig(members[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !n.IsInt64() {
			return nil, fmt.Errorf("%s: %v is out of range", name, n)
		}
		at[i] = n.Int64()
	}
	return writeBounded(at[0], at[1], at[2]), nil
}

func parseProposals(list []any) (writing, error) {
	var out []proposed
	for _, v := range list {
		members, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("a proposal is %s; want an object", jsonKind(v))
		}
		if err := checkMembers(members, memberValue, memberVerdict); err != nil {
			return nil, err
		}
		x, err := parsePortable(members[memberValue])
		if err != nil {
			return nil, err
		}
		verdict := slices.IndexFunc(verdicts, func(v crdt.Verdict) bool { return v.String() == members[memberVerdict] })
		if verdict < 0 {
			return nil, fmt.Errorf("the verdict is none of open, approved, declined")
		}
		out = append(out, proposed{x, verdicts[verdict]})
	}
	return writeProposals(out), nil
}

var verdicts = []crdt.Verdict{crdt.Open, crdt.Approved, crdt.Declined}

// parsePortable reads a value as portableValue writes it.
func parsePortable(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		return number(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = parsePortable(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if tag, content := tagIn(v); tag != "" {
			return parseTagged(tag, content)
		}
		for _, name := range sortedNames(v) {
			if strings.HasPrefix(name, tagMark) {
				return nil, fmt.Errorf(`the name %s begins with $; put the object in {"$object":{...}}`, plain(name))
			}
		}
		return parseMembers(v)
	}
	return v, nil
}

func parseMembers(members map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(members))
	for _, name := range sortedNames(members) {
		var err error
		if out[name], err = parsePortable(members[name]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func parseTagged(tag string, content any) (any, error) {
	if tag == tagObject {
		if members, ok := content.(map[string]any); ok {
			return parseMembers(members)
		}
		return nil, fmt.Errorf("%s wants an object", tag)
	}
	s, ok := content.(string)
	switch {
	case !ok && slices.Contains([]string{tagBytes, tagTime, tagFloat}, tag):
		return nil, fmt.Errorf("%s wants a text", tag)
	case tag == tagBytes:
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %s is not base64", tag, quote(s, shownBytes))
		}
		return b, nil
	case tag == tagTime:
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %s is no time; write it as 2006-01-02T15:04:05.999Z", tag, quote(s, shownBytes))
		}
		if t.Nanosecond()%int(time.Millisecond) != 0 {
			return nil, fmt.Errorf("%s: %s is finer than a millisecond", tag, quote(s, shownBytes))
		}
		return t, nil
	case tag == tagFloat && s == infinityName(1):
		return math.Inf(1), nil
	case tag == tagFloat && s == infinityName(-1):
		return math.Inf(-1), nil
	case tag == tagFloat:
		return nil, fmt.Errorf("%s is for Infinity and -Infinity; other floats are numbers with a point", tag)
	}
	return nil, fmt.Errorf("there is no tag %s for a value; see: concord export --help", plain(tag))
}

// maxDigits bounds the work of reading a number: no sum has as many.
const maxDigits = 40

func parseBig(v any) (*big.Int, error) {
	n, ok := v.(json.Number)
	if ok && len(n) <= maxDigits {
		if i, ok := new(big.Int).SetString(n.String(), 10); ok {
			return i, nil
		}
	}
	if ok {
		return nil, fmt.Errorf("%s is no whole number in range", shorten(n.String(), maxDigits))
	}
	return nil, fmt.Errorf("want a whole number, and this is %s", jsonKind(v))
}
