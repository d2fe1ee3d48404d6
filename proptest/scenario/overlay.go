package scenario

import (
	"fmt"
	"slices"
	"strings"
)

// overlay reports whether an expectation asks about anything but state.
func (e *Expect) overlay() bool {
	return e.Unresolved != nil || e.Held != nil || e.Review != nil || e.Waiting != nil || e.Rejected != nil ||
		e.Conflicts != nil || e.Witnesses != nil || e.Provisional != nil || e.Visible != nil || e.Hidden != nil ||
		e.Overruled != nil || e.Explain != nil || e.DigestEqualWithoutPolicy
}

// expectOverlay holds what an expectation says about records and rules.
func (r *run) expectOverlay(e *Expect, names []string) ([]Mismatch, error) {
	if !e.overlay() {
		return nil, nil
	}
	o := overlayCheck{run: r, e: e}
	for _, name := range names {
		p, err := as[PolicyReplica](r.replicas[name], CanRule)
		if err != nil {
			return nil, err
		}
		o.name, o.replica = name, p
		if o.overlay, err = p.Overlay(); err != nil {
			return nil, err
		}
		o.lists()
		o.conflicts()
		o.witnesses()
		o.overruled()
		if err := o.visibility(); err != nil {
			return nil, err
		}
		if err := o.explain(); err != nil {
			return nil, err
		}
		if err := o.provisional(); err != nil {
			return nil, err
		}
		if err := o.digest(); err != nil {
			return nil, err
		}
	}
	return o.mismatches, nil
}

// overlayCheck holds one replica after the other against an expectation.
type overlayCheck struct {
	*run
	e          *Expect
	name       string
	replica    PolicyReplica
	overlay    Overlay
	mismatches []Mismatch
}

func (o *overlayCheck) miss(what, got, want string) {
	o.mismatches = append(o.mismatches, Mismatch{o.name, what, got, []string{want}})
}

// lists compares the complete lists of records, fields and labels.
func (o *overlayCheck) lists() {
	for _, l := range []struct {
		what string
		want []string
		got  []Item
	}{
		{"unresolved", o.e.Unresolved, o.overlay.Unresolved},
		{"held", o.e.Held, o.overlay.Held},
		{"review", o.e.Review, o.overlay.Review},
		{"waiting", o.e.Waiting, o.overlay.Waiting},
		{"rejected", o.e.Rejected, o.overlay.Rejected},
	} {
		if l.want == nil {
			continue
		}
		named := func(want string) func(Item) bool {
			return func(item Item) bool { return o.names(want, item) }
		}
		complete := !slices.ContainsFunc(l.want, func(want string) bool { return !slices.ContainsFunc(l.got, named(want)) })
		for _, item := range l.got {
			complete = complete && slices.ContainsFunc(l.want, func(want string) bool { return o.names(want, item) })
		}
		if !complete {
			o.miss(l.what, itemTexts(l.got), "["+strings.Join(l.want, ", ")+"]")
		}
	}
}

// names reports whether an entry of a file means an item: its record, its
// field, or the label of the step that wrote it.
func (o *overlayCheck) names(want string, item Item) bool {
	return want == item.Record || item.Field != "" && want == item.Record+"."+item.Field ||
		slices.Contains(o.labels[want], item.Change)
}

func itemTexts(items []Item) string {
	texts := make([]string, len(items))
	for i, item := range items {
		if texts[i] = item.Record; item.Field != "" {
			texts[i] += "." + item.Field
		}
		if item.Change != "" {
			texts[i] += " by " + string(item.Change)
		}
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// conflicts pairs every wanted conflict with one that was reported, and wants
// none left over.
func (o *overlayCheck) conflicts() {
	if o.e.Conflicts == nil {
		return
	}
	want, got := o.e.Conflicts, o.overlay.Conflicts
	if len(want) == len(got) && pairs(len(want), func(w, g int) bool { return want[w].matches(got[g]) }) {
		return
	}
	g := make([]any, len(got))
	for i, c := range got {
		g[i] = map[string]any{"record": c.Record, "field": c.Field, "kind": c.Kind, "severity": c.Severity, "candidates": c.Candidates}
	}
	o.miss("conflicts", canonical(g), string(listOf(aConflict, 0).write(nil, want)))
}

func (w WantConflict) matches(c Conflict) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	if !same(w.Record, c.Record) || !same(w.Field, c.Field) || !same(w.Kind, c.Kind) || !same(w.Severity, c.Severity) {
		return false
	}
	switch candidates := w.Candidates.(type) {
	case int64:
		return int(candidates) == len(c.Candidates)
	case []any:
		got, err := normalize(Set(c.Candidates))
		return err == nil && equal(candidates, got)
	}
	return true
}

// pairs reports whether n wants can each have a got of their own (a perfect
// matching, by augmenting paths).
func pairs(n int, fits func(want, got int) bool) bool {
	taken := make([]int, n)
	for i := range taken {
		taken[i] = -1
	}
	var place func(want int, tried []bool) bool
	place = func(want int, tried []bool) bool {
		for got := range n {
			if tried[got] || !fits(want, got) {
				continue
			}
			tried[got] = true
			if taken[got] < 0 || place(taken[got], tried) {
				taken[got] = want
				return true
			}
		}
		return false
	}
	for want := range n {
		if !place(want, make([]bool, n)) {
			return false
		}
	}
	return true
}

// witnesses compares the facts of each log in its order.
func (o *overlayCheck) witnesses() {
	if o.e.Witnesses == nil {
		return
	}
	counts := map[string][2][]int{}
	add := func(record, field string, side, count int) {
		pair := counts[record+"."+field]
		pair[side] = append(pair[side], count)
		counts[record+"."+field] = pair
	}
	for _, w := range o.overlay.Witnesses {
		add(w.Record, w.Field, 0, w.Count)
	}
	for _, w := range o.e.Witnesses {
		add(w.Record, w.Field, 1, w.Count)
	}
	for _, log := range sortedKeys(counts) {
		if got, want := counts[log][0], counts[log][1]; !slices.Equal(got, want) {
			o.miss("witnesses of "+log, fmt.Sprint(got), fmt.Sprint(want))
		}
	}
}

// overruled looks for some of the writes that are not shown.
func (o *overlayCheck) overruled() {
	for _, want := range o.e.Overruled {
		if slices.ContainsFunc(o.overlay.Overruled, func(got Overruled) bool { return o.meant(want, got) }) {
			continue
		}
		got := make([]any, len(o.overlay.Overruled))
		for i, w := range o.overlay.Overruled {
			value, err := normalize(w.Value)
			if err != nil {
				value = err.Error()
			}
			got[i] = map[string]any{"record": w.Record, "field": w.Field, "value": value, "role": w.Role, "actor": w.Actor,
				"change": string(w.Change)}
		}
		o.miss("overruled", canonical(got), string(anOverruled.write(nil, want)))
	}
}

func (o *overlayCheck) meant(want WantOverruled, got Overruled) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	if !same(want.Record, got.Record) || !same(want.Field, got.Field) || !same(want.Role, got.Role) || !same(want.Actor, got.Actor) {
		return false
	}
	if want.Label != "" && !slices.Contains(o.labels[want.Label], got.Change) {
		return false
	}
	if !want.At.IsZero() && !want.At.Equal(got.At) {
		return false
	}
	if want.Value == nil {
		return true
	}
	value, err := normalize(got.Value)
	return err == nil && equal(want.Value, value)
}

func (o *overlayCheck) visibility() error {
	for i, list := range [][]string{o.e.Visible, o.e.Hidden} {
		for _, record := range list {
			shown, err := o.replica.Visible(record)
			if err != nil {
				return fmt.Errorf("is %s visible: %w", record, err)
			}
			if word := []string{"visible", "hidden"}; shown != (i == 0) {
				o.miss(record, word[1-i], word[i])
			}
		}
	}
	return nil
}

func (o *overlayCheck) explain() error {
	for _, want := range o.e.Explain {
		step, err := o.replica.Explain(want.Record, want.Field)
		if err != nil {
			return fmt.Errorf("explaining %s.%s: %w", want.Record, want.Field, err)
		}
		if step != want.Step {
			o.miss("explain "+want.Record+"."+want.Field, step, want.Step)
		}
	}
	return nil
}

func (o *overlayCheck) provisional() error {
	if o.e.Provisional == nil {
		return nil
	}
	got, err := o.replica.Provisional()
	if err != nil {
		return err
	}
	if want := slices.Contains(o.e.Provisional, o.name); got != want {
		o.miss("provisional", fmt.Sprint(got), fmt.Sprint(want))
	}
	return nil
}

func (o *overlayCheck) digest() error {
	if !o.e.DigestEqualWithoutPolicy {
		return nil
	}
	with, err := o.replica.Digest()
	if err != nil {
		return err
	}
	without, err := o.replica.DigestWithoutPolicy()
	if err != nil {
		return err
	}
	if with != without {
		o.miss("digest with the policy", with, without+", as without it")
	}
	return nil
}
