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
	Type       string `json:"type"`
	Value      any    `json:"value"`
	Absent     bool   `json:"absent,omitempty"`
	Concurrent bool   `json:"concurrent,omitempty"`
	DecidedBy  string `json:"decided_by,omitempty"`
	// Undecided says why no candidate is shown as decided, or which of them only
	// for now.
	Undecided  string               `json:"undecided,omitempty"`
	Candidates []candidateJSON      `json:"candidates,omitempty"`
	Entries    []candidateJSON      `json:"entries,omitempty"`
	Superseded []supersededJSON     `json:"superseded,omitempty"`
	Rights     []rightsOf           `json:"rights,omitempty"`
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
	// Verdict is what became of a proposal, and Verdicts who decided so.
	Verdict  string        `json:"verdict,omitempty"`
	Verdicts []verdictJSON `json:"verdicts,omitempty"`

	entry crdt.EntryID
}

type intentJSON struct {
	Action string `json:"action"`
	Key    string `json:"key"`
}

func jsonRecord(v *replica.View, policy merge.Policy, below *belowView) recordJSON {
	return recordJSON{v.Collection, v.Key, v.Version.String(), jsonFields(v.Fields, rulesOf(policy, v.Collection), "", below)}
}

func jsonFields(fields []merge.FieldView, rules map[string]merge.FieldRule, above string, below *belowView) map[string]fieldJSON {
	out := make(map[string]fieldJSON, len(fields))
	for i := range fields {
		f := &fields[i]
		out[f.Name] = jsonField(f, rules[f.Name], above+fromStep.Replace(f.Name), below)
	}
	return out
}

// jsonField is a field, with what is kept below its view; nil leaves that out.
func jsonField(f *merge.FieldView, rule merge.FieldRule, path string, below *belowView) fieldJSON {
	out := fieldJSON{Type: f.Type.String(), Value: jsonValue(f.Value), Absent: f.Absent, Concurrent: f.Concurrent, Undecided: undecided(f)}
	if severalValues(f) {
		out.DecidedBy = decidedBy(f, rule)
		out.Candidates = jsonCandidates(f)
	}
	if f.Type == crdt.TypeLog || f.Type == crdt.TypeProposal {
		out.Entries = jsonCandidates(f)
	}
	if f.Type == crdt.TypeMap && !f.Absent {
		out.Fields = jsonFields(f.Fields, rulesBelow(f.Fields, rule), path+"/", below)
	}
	for i := range f.Shadowed {
		out.Shadowed = append(out.Shadowed, jsonField(&f.Shadowed[i], merge.FieldRule{}, path, nil))
	}
	if below != nil {
		below.fill(path, &out)
	}
	return out
}

// severalValues reports whether a rule chose among several values of a field.
func severalValues(f *merge.FieldView) bool {
	return f.Concurrent || len(f.Candidates) > 1 && (f.Type == crdt.TypeRegister || f.Type == crdt.TypeGroup)
}

// undecided says why nothing, or nothing final, is shown of a field.
func undecided(f *merge.FieldView) string {
	switch r := &f.Resolution; {
	case f.Type == crdt.TypeProposal: // each says so itself
	case r.Unresolved:
		return "no value meets what the policy requires"
	case r.Open:
		return "no value is approved yet"
	case r.Review:
		return "a person is asked to decide"
	case r.Provisional:
		return "a rule is missing here, and may decide otherwise"
	}
	return ""
}

func jsonCandidates(f *merge.FieldView) (out []candidateJSON) {
	for i := range f.Candidates {
		c := &f.Candidates[i]
		out = append(out, candidateJSON{
			Value: jsonValue(c.Value), Shown: i == f.Resolution.Winner, Actor: c.Actor, Role: c.Role,
			Intent: jsonIntent(c.Intent), Time: jsonTime(c.Stamp), Dot: jsonDot(c.Entry.Dot), entry: c.Entry,
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

// rulesBelow gives what is in a map the rule of the map.
func rulesBelow(fields []merge.FieldView, rule merge.FieldRule) map[string]merge.FieldRule {
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
func writeFields(w io.Writer, fields []merge.FieldView, rules map[string]merge.FieldRule, below *belowView) {
	rows := fieldRows(fields, rules, "  ", "", below)
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

func fieldRows(fields []merge.FieldView, rules map[string]merge.FieldRule, indent, above string, below *belowView) (rows []viewRow) {
	remark := func(format string, args ...any) {
		rows = append(rows, viewRow{remark: indent + "    " + fmt.Sprintf(format, args...)})
	}
	for i := range fields {
		f := &fields[i]
		rule := rules[f.Name]
		rows = append(rows, viewRow{name: indent + plain(f.Name), kind: f.Type.String(), value: showField(f)})
		path := above + fromStep.Replace(f.Name)
		if severalValues(f) {
			writeSiblings(remark, f, rule)
		}
		if why := undecided(f); why != "" {
			remark("%s", why)
		}
		if below != nil {
			below.remarks(remark, path, f)
		}
		for j := range f.Shadowed {
			s := &f.Shadowed[j]
			remark("also written as a %v: %s", s.Type, showField(s))
		}
		switch f.Type {
		case crdt.TypeMap:
			rows = append(rows, fieldRows(f.Fields, rulesBelow(f.Fields, rule), indent+"  ", path+"/", below)...)
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
	if f.Concurrent {
		remark("%d values were written apart; shown by rule: %s", len(f.Candidates), decidedBy(f, rule))
	} else {
		remark("chosen among %d values by rule: %s", len(f.Candidates), decidedBy(f, rule))
	}
	values, width := make([]string, len(f.Candidates)), 0
	for i := range f.Candidates {
		values[i] = show(f.Candidates[i].Value, shownBytes/2)
		width = max(width, utf8.RuneCountInString(values[i]))
	}
	for i := range f.Candidates {
		c := &f.Candidates[i]
		word := "overruled"
		switch {
		case i == f.Resolution.Winner:
			word = "shown"
		case f.Resolution.Winner < 0:
			word = "offered"
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
