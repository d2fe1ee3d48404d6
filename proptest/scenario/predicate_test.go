package scenario_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/proptest/scenario"
)

func TestPredicates(t *testing.T) {
	set := func(object, kind, values string) string {
		return fmt.Sprintf(`{"on": "A", "do": "%s", "obj": "%s", "at": 0, "values": %s}`, kind, object, values)
	}
	text := func(s string) string {
		quoted, _ := json.Marshal(s)
		return fmt.Sprintf(`{"on": "A", "do": "text.insert", "obj": "t", "at": 0, "text": %s}`, quoted)
	}
	const words = `["one", "two", "on", "e"]`
	for _, tt := range []struct {
		steps, predicate string
		holds            bool
	}{
		{text("abcab"), `"text:t", "kind": "contains", "value": "ca"`, true},
		{text("abcab"), `"text:t", "kind": "contains", "value": "ac"`, false},
		{text("aaa"), `"text:t", "kind": "count", "value": "aa", "n": 1`, true},
		{text("aaa"), `"text:t", "kind": "count", "value": "a", "n": 2`, false},
		{text("abxcd"), `"text:t", "kind": "order", "value": ["ab", "cd"]`, true},
		{text("abcd"), `"text:t", "kind": "order", "value": ["abc", "cd"]`, false},
		{text("abcd"), `"text:t", "kind": "order", "value": ["cd", "ab"]`, false},
		{text("😀ab"), `"text:t", "kind": "permutation", "value": "b😀a"`, true},
		{text("aab"), `"text:t", "kind": "permutation", "value": "abb"`, false},
		{text("eonetwoon"), `"text:t", "kind": "permutation", "value": ` + words, true},
		{text("onetwo"), `"text:t", "kind": "permutation", "value": ` + words, false},
		{text("onetwoonex"), `"text:t", "kind": "permutation", "value": ` + words, false},
		{text(strings.Repeat("a", 20)), `"text:t", "kind": "permutation", "value": [` + strings.Repeat(`"a", `, 19) + `"a"]`, true},
		{text(strings.Repeat("a", 20)), `"text:t", "kind": "permutation", "value": [` + strings.Repeat(`"a", `, 19) + `"b"]`, false},
		{text("a\u0000b"), `"text:t", "kind": "well_formed"`, true},
		{text("ab"), `"text:t", "kind": "equals", "value": "ab"`, true},
		{text("ab"), `"text:t", "kind": "equals", "value": "ba"`, false},

		{set("l", "list.insert", `[1, "1", 2]`), `"list:l", "kind": "contains", "value": 2`, true},
		{set("l", "list.insert", `[1, "1", 2]`), `"list:l", "kind": "contains", "value": "2"`, false},
		{set("l", "list.insert", `[1, "1", 1]`), `"list:l", "kind": "count", "value": 1, "n": 2`, true},
		{set("l", "list.insert", `["a", "b", "c"]`), `"list:l", "kind": "order", "value": ["a", "c"]`, true},
		{set("l", "list.insert", `["a", "b"]`), `"list:l", "kind": "order", "value": ["b", "a"]`, false},
		{set("l", "list.insert", `["a", "b"]`), `"list:l", "kind": "order", "value": ["a", "a"]`, false},
		{set("l", "list.insert", `["a", "b"]`), `"list:l", "kind": "permutation", "value": ["b", "a"]`, true},
		{set("l", "list.insert", `["a", "b"]`), `"list:l", "kind": "permutation", "value": ["b", "a", "a"]`, false},
		{set("l", "list.insert", `["a", "b"]`), `"list:l", "kind": "equals", "value": ["b", "a"]`, false},

		{`{"on": "A", "do": "set.add", "obj": "s", "value": 1}`, `"set:s", "kind": "contains", "value": 1`, true},
		{`{"on": "A", "do": "set.add", "obj": "s", "value": 1}`, `"set:s", "kind": "permutation", "value": [1]`, true},
		{`{"on": "A", "do": "map.set", "path": ["m", "k"], "value": 1}`, `"map:m", "kind": "contains", "value": "k"`, true},
		{`{"on": "A", "do": "map.set", "path": ["m", "k"], "value": 1}`, `"map:m", "kind": "contains", "value": 1`, false},
		{`{"on": "A", "do": "map.set", "path": ["m", "k"], "value": 1}`, `"map:m", "kind": "well_formed"`, true},
		{add, `"counter:c", "kind": "equals", "value": 1`, true},
		{add, `"counter:c", "kind": "equals", "value": "2"`, false},
	} {
		t.Run(tt.predicate, func(t *testing.T) {
			r := run(t, whole(tt.steps, `{"on": ["A"], "predicates": [{"read": `+tt.predicate+`}]}`, ""))
			if (r.Outcome == scenario.Passed) != tt.holds {
				t.Errorf("want it to hold: %v; got\n%s", tt.holds, r)
			}
		})
	}
	for steps, want := range map[string]bool{add: false, add + `, {"do": "sync_all"}`: true} {
		r := run(t, whole(steps, `{"predicates": [{"read": "counter:c", "kind": "same_on_all"}]}`, ""))
		if (r.Outcome == scenario.Passed) != want {
			t.Errorf("same_on_all after %s: want %v; got\n%s", steps, want, r)
		}
	}
}
