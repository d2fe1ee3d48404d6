package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

// recordJSON is a record as --json shows it.
type recordJSON struct {
	Collection string               `json:"collection"`
	Key        string               `json:"key"`
	Version    string               `json:"version"`
	Fields     map[string]fieldJSON `json:"fields"`
}

// fieldJSON is a field. Candidates are there only where several values stand
// side by side; entries are those of a log, or the proposals.
type fieldJSON struct {
	Type       string               `json:"type"`
	Value      any                  `json:"value"`
	Absent     bool                 `json:"absent,omitempty"`
	Concurrent bool                 `json:"concurrent,omitempty"`
	DecidedBy  string               `json:"decided_by,omitempty"`
	Candidates []candidateJSON      `json:"candidates,omitempty"`
	Entries    []candidateJSON      `json:"entries,omitempty"`
	Fields     map[string]fieldJSON `json:"fields,omitempty"`
	Shadowed   []fieldJSON          `json:"shadowed,omitempty"`
}

// candidateJSON is one of several values of a field, with who wrote it.
type candidateJSON struct {
	Value  any         `json:"value"`
	Shown  bool        `json:"shown,omitempty"`
	Actor  string      `json:"actor"`
	Role   string      `json:"role"`
	Intent *intentJSON `json:"intent,omitempty"`
	Time   string      `json:"time"`
	Dot    string      `json:"dot"`
}

type intentJSON struct {
	Action string `json:"action"`
	Key    string `json:"key"`
}

func jsonRecord(v *replica.View, policy merge.Policy) recordJSON {
	return recordJSON{v.Collection, v.Key, v.Version.String(), jsonFields(v.Fields, rulesOf(policy, v.Collection))}
}

func jsonFields(fields []merge.FieldView, rules map[string]merge.FieldRule) map[string]fieldJSON {
	out := make(map[string]fieldJSON, len(fields))
	for i := range fields {
		out[fields[i].Name] = jsonField(&fields[i], rules[fields[i].Name])
	}
	return out
}

func jsonField(f *merge.FieldView, rule merge.FieldRule) fieldJSON {
	out := fieldJSON{Type: f.Type.String(), Value: jsonValue(f.Value), Absent: f.Absent, Concurrent: f.Concurrent}
	if f.Concurrent {
		out.DecidedBy = decidedBy(f, rule)
		out.Candidates = jsonCandidates(f)
	}
	if f.Type == crdt.TypeLog || f.Type == crdt.TypeProposal {
		out.Entries = jsonCandidates(f)
	}
	if f.Type == crdt.TypeMap && !f.Absent {
		out.Fields = jsonFields(f.Fields, below(f.Fields, rule))
	}
	for i := range f.Shadowed {
		out.Shadowed = append(out.Shadowed, jsonField(&f.Shadowed[i], merge.FieldRule{}))
	}
	return out
}

func jsonCandidates(f *merge.FieldView) (out []candidateJSON) {
	for i := range f.Candidates {
		c := &f.Candidates[i]
		out = append(out, candidateJSON{
			Value: jsonValue(c.Value), Shown: i == f.Resolution.Winner, Actor: c.Actor, Role: c.Role,
			Intent: jsonIntent(c.Intent), Time: jsonTime(c.Stamp), Dot: jsonDot(c.Entry.Dot),
		})
	}
	return out
}

func jsonIntent(i crdt.Intent) *intentJSON {
	if i.IsZero() {
		return nil
	}
	return &intentJSON{i.Action, i.Key}
}

func jsonTime(s clock.Stamp) string { return s.Time().Format(time.RFC3339Nano) }

// jsonDot names a change in full.
func jsonDot(d clock.Dot) string {
	return fmt.Sprintf("%v/%x:%d", d.Origin.Replica, d.Origin.Incarnation, d.N)
}

// rulesOf are the rules of a collection's fields.
func rulesOf(policy merge.Policy, collection string) map[string]merge.FieldRule {
	return policy.Collections[collection].Fields
}

// below gives what is in a map the rule of the map.
func below(fields []merge.FieldView, rule merge.FieldRule) map[string]merge.FieldRule {
	rules := make(map[string]merge.FieldRule, len(fields))
	for i := range fields {
		rules[fields[i].Name] = merge.FieldRule{Resolve: rule.Resolve}
	}
	return rules
}

// decidedBy says which step chose among several values.
func decidedBy(f *merge.FieldView, rule merge.FieldRule) string {
	if f.Resolution.By == merge.ByEntry {
		return "a tie; the order of the replicas' names"
	}
	rule.Type = f.Type
	steps := rule.Steps()
	if s := f.Resolution.Step; s >= 0 && s < len(steps) {
		return steps[s].String()
	}
	return f.Resolution.By.String()
}

// viewRow is a line of a table of fields, or a remark below one.
type viewRow struct {
	name, kind, value string
	remark            string
}

// writeFields shows fields as a table, with what stands beside each value.
func writeFields(w io.Writer, fields []merge.FieldView, rules map[string]merge.FieldRule) {
	rows := fieldRows(fields, rules, "  ")
	var names, kinds int
	for _, r := range rows {
		names = max(names, utf8.RuneCountInString(r.name))
		kinds = max(kinds, len(r.kind))
	}
	for _, r := range rows {
		if r.remark != "" {
			fmt.Fprintln(w, r.remark)
			continue
		}
		pad := strings.Repeat(" ", names-utf8.RuneCountInString(r.name))
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%s%s  %-*s  %s", r.name, pad, kinds, r.kind, r.value), " "))
	}
}

func fieldRows(fields []merge.FieldView, rules map[string]merge.FieldRule, indent string) (rows []viewRow) {
	remark := func(format string, args ...any) {
		rows = append(rows, viewRow{remark: indent + "    " + fmt.Sprintf(format, args...)})
	}
	for i := range fields {
		f := &fields[i]
		rule := rules[f.Name]
		rows = append(rows, viewRow{name: indent + plain(f.Name), kind: f.Type.String(), value: showField(f)})
		if f.Concurrent {
			writeSiblings(remark, f, rule)
		}
		for j := range f.Shadowed {
			s := &f.Shadowed[j]
			remark("also written as a %v: %s", s.Type, showField(s))
		}
		switch f.Type {
		case crdt.TypeMap:
			rows = append(rows, fieldRows(f.Fields, below(f.Fields, rule), indent+"  ")...)
		case crdt.TypeLog:
			writeEntries(remark, f.Candidates)
		}
	}
	return rows
}

// shownEntries is how many entries of a log a record shows.
const shownEntries = 5

func writeEntries(remark func(string, ...any), entries []merge.Candidate) {
	if n := len(entries); n > shownEntries {
		entries = entries[n-shownEntries:]
	}
	for i := range entries {
		c := &entries[i]
		remark("%s  %s  %s", showTime(c.Stamp.Time()), show(c.Value, shownBytes), author(c.Actor, c.Role, c.Entry.Dot.Origin))
	}
}

func writeSiblings(remark func(string, ...any), f *merge.FieldView, rule merge.FieldRule) {
	remark("%d values were written apart; shown by rule: %s", len(f.Candidates), decidedBy(f, rule))
	values, width := make([]string, len(f.Candidates)), 0
	for i := range f.Candidates {
		values[i] = show(f.Candidates[i].Value, shownBytes/2)
		width = max(width, utf8.RuneCountInString(values[i]))
	}
	for i := range f.Candidates {
		c := &f.Candidates[i]
		word := "overruled"
		if i == f.Resolution.Winner {
			word = "shown"
		}
		pad := strings.Repeat(" ", width-utf8.RuneCountInString(values[i]))
		remark("%-9s  %s%s  by %s, %s", word, values[i], pad, author(c.Actor, c.Role, c.Entry.Dot.Origin), showTime(c.Stamp.Time()))
	}
}

// showField is the value of a field in one line.
func showField(f *merge.FieldView) string {
	if f.Absent {
		return "not readable by this version"
	}
	switch v := f.Value.(type) {
	case []any:
		switch {
		case f.Type == crdt.TypeRegister || f.Type == crdt.TypeProposal:
		case len(v) == 0:
			return "empty"
		case f.Type == crdt.TypeLog && len(v) > shownEntries:
			return fmt.Sprintf("%d entries, the last %d:", len(v), shownEntries)
		case f.Type == crdt.TypeLog:
			return fmt.Sprintf("%d entries:", len(v))
		case f.Type == crdt.TypeList:
			return show(v, shownBytes)
		default:
			return showAll(v, shownBytes)
		}
	case bool:
		if f.Type == crdt.TypeFlag || f.Type == crdt.TypeDisableFlag {
			return onOff(v)
		}
	case map[string]any:
		if f.Type == crdt.TypeMap {
			return ""
		}
	case string:
		if n := utf8.RuneCountInString(v); f.Type == crdt.TypeText && len(v) > shownBytes {
			return fmt.Sprintf("%s (%d characters)", quote(v, shownBytes), n)
		}
	}
	return show(f.Value, shownBytes)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// author names who wrote: the actor, or the replica where no actor was given.
func author(actor, role string, o clock.Origin) string {
	name := plain(actor)
	if actor == "" {
		name = "replica " + o.Replica.String()[:8]
	}
	if role != "" {
		name += " (" + plain(role) + ")"
	}
	return name
}
