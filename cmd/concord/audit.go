package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
)

func newAuditCommand(e *env) *cobra.Command {
	var strict bool
	c := &cobra.Command{
		Use:   "audit",
		Short: "Hold the policy against what people do",
		Long: `Hold the policy in force against what the store has seen: who writes which field,
which collections refer to which, how often writes meet and between which roles,
and what no rule covers: roles and fields that the policy does not have, fields
that several roles write and only the clock decides, and what concord policy
check finds.

The exit code is 1 if there are errors, with --strict also for warnings: run it
where changes of the policy are checked.`,
		Example: `  concord audit
  concord audit --strict --json | jq -r 'select(.finding) | .finding'`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.withStore(func(r *replica.Replica) error { return e.audit(cmd.Context(), r, strict) })
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "fail on warnings too")
	return c
}

// usage is what was seen of one field.
type usage struct {
	writes    map[string]int    // by role
	conflicts map[[2]string]int // by pair of roles, in order
	records   int               // in which it was written
}

// auditing is what was seen of a store.
type auditing struct {
	policy   *merge.Policy
	fields   map[string]map[string]*usage // by collection and field
	findings []auditFinding
}

type auditFinding struct {
	severity merge.Severity
	place    string
	problem  string
	remedy   string
}

func (e *env) audit(ctx context.Context, r *replica.Replica, strict bool) error {
	p := r.Policy()
	a := &auditing{policy: &p, fields: map[string]map[string]*usage{}}
	if err := a.look(ctx, r); err != nil {
		return err
	}
	a.judge()
	if err := e.printAudit(a); err != nil {
		return err
	}
	for _, f := range a.findings {
		if f.severity == merge.SeverityError || strict {
			return errTold
		}
	}
	return nil
}

func (a *auditing) of(collection, field string) *usage {
	if a.fields[collection] == nil {
		a.fields[collection] = map[string]*usage{}
	}
	u := a.fields[collection][field]
	if u == nil {
		u = &usage{writes: map[string]int{}, conflicts: map[[2]string]int{}}
		a.fields[collection][field] = u
	}
	return u
}

// look reads the history of every record, and what the rules say of it.
func (a *auditing) look(ctx context.Context, r *replica.Replica) error {
	for x, err := range r.Inspections(ctx) {
		if err != nil {
			return err
		}
		written := map[string]bool{}
		for info, err := range r.Collection(x.Collection).History(ctx, x.Key) {
			if err != nil {
				return err
			}
			if info.Patch == nil || info.Fate != replica.Applied {
				continue
			}
			for _, kid := range info.Patch.Kids {
				if name := kid.Key.Name; name != "" && name[0] != 0 {
					a.of(x.Collection, name).writes[info.Author.Role]++
					written[name] = true
				}
			}
		}
		for name := range written {
			a.of(x.Collection, name).records++
		}
		for _, c := range x.Conflicts {
			field, _, _ := strings.Cut(c.Field, "/")
			if field == "" {
				continue
			}
			for i := range c.Candidates {
				for j := range i {
					pair := [2]string{c.Candidates[i].Role, c.Candidates[j].Role}
					slices.Sort(pair[:])
					a.of(x.Collection, field).conflicts[pair]++
				}
			}
		}
	}
	return nil
}

func (a *auditing) find(s merge.Severity, place, problem, remedy string) {
	a.findings = append(a.findings, auditFinding{s, place, problem, remedy})
}

// judge says what no rule covers.
func (a *auditing) judge() {
	for _, f := range a.policy.Validate() {
		a.find(f.Severity, f.Place(), f.Problem, f.Remedy)
	}
	if len(a.policy.Collections) == 0 {
		a.find(merge.SeverityWarning, "policy", "the store has no policy: of what is written apart the latest is shown", "write one, and begin with: concord policy check")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(a.fields)) {
		c, declared := a.policy.Collections[name]
		if !declared {
			a.find(merge.SeverityError, name, "the policy does not have the collection", "declare it, or stop writing to it")
			continue
		}
		for _, field := range slices.Sorted(maps.Keys(a.fields[name])) {
			a.judgeField(name, field, &c)
		}
	}
}

func (a *auditing) judgeField(collection, field string, c *merge.Collection) {
	u, place := a.fields[collection][field], collection+"."+field
	rule, declared := c.Fields[field]
	if !declared {
		a.find(merge.SeverityWarning, place, "the policy does not have the field: the latest is shown, and anybody writes it", "declare it")
		return
	}
	for _, role := range slices.Sorted(maps.Keys(u.writes)) {
		switch {
		case role == "" && len(a.policy.Roles) > 0:
			a.find(merge.SeverityWarning, place, fmt.Sprintf("%s without a role", count(u.writes[role], "write")), "have the application say who writes")
		case role != "" && !slices.Contains(a.policy.Roles, role):
			a.find(merge.SeverityError, place, fmt.Sprintf("written in the role %q, which the policy does not have", role), "add the role, or correct who writes")
		}
	}
	steps := rule.Steps()
	byTime := len(steps) > 0 && (steps[0].Do == merge.StepLatest || steps[0].Do == merge.StepEarliest)
	across := 0
	for pair, n := range u.conflicts {
		if pair[0] != pair[1] {
			across += n
		}
	}
	if byTime && across > 0 && (rule.Type == crdt.TypeRegister || rule.Type == crdt.TypeGroup) {
		a.find(merge.SeverityWarning, place, fmt.Sprintf("%s between roles, and only the clock decides", count(across, "conflict")), "give it an authority, or let a person look")
	}
	if all := u.total(); byTime && u.records > 0 && all*20 > u.records {
		a.find(merge.SeverityWarning, place, fmt.Sprintf("%s in %s: more than 5 %%, too many for the latest to win", count(all, "conflict"), count(u.records, "record")), "merge it, or decide by a rule")
	}
}

func (u *usage) total() (n int) {
	for _, k := range u.conflicts {
		n += k
	}
	return n
}

// auditFieldJSON is a row of the matrix as --json shows it.
type auditFieldJSON struct {
	Collection string         `json:"collection"`
	Field      string         `json:"field"`
	Records    int            `json:"records"`
	Writes     map[string]int `json:"writes"`
	May        []string       `json:"may_write,omitempty"`
	Refers     string         `json:"refers_to,omitempty"`
	Conflicts  map[string]int `json:"conflicts,omitempty"`
}

func (a *auditing) row(collection, field string, u *usage) auditFieldJSON {
	c := a.policy.Collections[collection]
	row := auditFieldJSON{Collection: collection, Field: field, Records: u.records, Writes: u.writes,
		May: c.Fields[field].Write, Refers: c.Refs[field].Collection, Conflicts: map[string]int{}}
	for pair, n := range u.conflicts {
		row.Conflicts[roleName(pair[0])+" / "+roleName(pair[1])] = n
	}
	return row
}

func roleName(role string) string { return cmp.Or(role, "no role") }

func (e *env) printAudit(a *auditing) error {
	for _, name := range slices.Sorted(maps.Keys(a.fields)) {
		c := a.policy.Collections[name]
		if !e.flags.json {
			words := plain(name)
			if c.Parent.Collection != "" {
				words += ", below " + plain(c.Parent.Collection)
			}
			e.printf("%s\n", words)
		}
		for _, field := range slices.Sorted(maps.Keys(a.fields[name])) {
			row := a.row(name, field, a.fields[name][field])
			if e.flags.json {
				if err := e.printJSON(row); err != nil {
					return err
				}
				continue
			}
			e.printRow(&row)
		}
	}
	for _, f := range a.findings {
		if e.flags.json {
			if err := e.printJSON(map[string]any{"severity": f.severity.String(), "at": f.place, "finding": f.problem, "help": f.remedy}); err != nil {
				return err
			}
			continue
		}
		e.printf("%s\n", defuse(fmt.Sprintf("%s: %v: %s\n    help: %s", f.place, f.severity, f.problem, f.remedy)))
	}
	if len(a.findings) == 0 && !e.flags.json {
		e.printf("every field that is written has a rule\n")
	}
	return nil
}

func (e *env) printRow(row *auditFieldJSON) {
	var by []string
	for _, role := range slices.Sorted(maps.Keys(row.Writes)) {
		by = append(by, fmt.Sprintf("%s %d", plain(roleName(role)), row.Writes[role]))
	}
	words := fmt.Sprintf("  %s  written by %s", plain(row.Field), strings.Join(by, ", "))
	if len(row.May) > 0 {
		words += "; may: " + plain(strings.Join(row.May, ", "))
	}
	if row.Refers != "" {
		words += "; refers to " + plain(row.Refers)
	}
	e.printf("%s\n", words)
	for _, pair := range slices.Sorted(maps.Keys(row.Conflicts)) {
		e.printf("      %s between %s, in %s\n", count(row.Conflicts[pair], "conflict"), plain(pair), count(row.Records, "record"))
	}
}
