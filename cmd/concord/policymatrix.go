package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// policyPage says a policy in tables and plain words.
func policyPage(p *merge.Policy) *page {
	d := &page{title: p.Name}
	if d.title == "" {
		d.title = "Policy without a name"
	}
	d.list(
		span{text: "Version " + strconv.FormatUint(p.Version, 10)},
		span{text: "Roles, the most senior first: " + names(p.Roles)},
		span{text: "The next version is put into force by: " + names(p.Activators())},
	)
	if len(p.Windows) > 0 {
		d.heading("Windows")
		rows := [][]span{}
		for _, name := range slices.Sorted(maps.Keys(p.Windows)) {
			for _, in := range p.Windows[name] {
				rows = append(rows, []span{{text: name}, {text: in.From.Format(time.RFC3339Nano)}, {text: in.To.Format(time.RFC3339Nano)}})
			}
		}
		d.table([]string{"Window", "From", "Until"}, rows)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Collections)) {
		c := p.Collections[name]
		d.collection(p, name, &c)
	}
	return d
}

func names(of []string) string {
	if len(of) == 0 {
		return "nobody"
	}
	return strings.Join(of, ", ")
}

// period writes a duration without the parts that are zero.
func period(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

func (d *page) collection(p *merge.Policy, name string, c *merge.Collection) {
	d.heading(name)
	about := []span{
		{text: "Synchronised with priority " + c.Priority.String()},
		{text: "Offline: " + map[merge.Offline]string{merge.OfflineWrite: "read and write", merge.OfflineRead: "read only", merge.OfflineNone: "not on devices"}[c.Offline]},
		{text: "Deleted and edited at the same time: " + map[crdt.DeletePolicy]string{crdt.DeleteWins: "deleted", crdt.UpdateWins: "the edit stays"}[c.Delete]},
	}
	if c.Partition != "" {
		about = append(about, span{text: "Divided by " + c.Partition + ", the first part of the key"})
	}
	if c.Parent.Collection != "" {
		text := "Belongs to a record of " + c.Parent.Collection
		if c.Parent.Required {
			text += ", and is hidden without it"
		}
		about = append(about, span{text: text})
	}
	for _, ref := range slices.Sorted(maps.Keys(c.Refs)) {
		when := "when it was written"
		if c.Refs[ref].At == merge.AtNow {
			when = "now"
		}
		about = append(about, span{text: fmt.Sprintf("%s names a record of %s, as it is %s", ref, c.Refs[ref].Collection, when)})
	}
	if c.Staleness > 0 {
		about = append(about, span{text: "Reported when older than " + period(c.Staleness)})
	}
	d.list(about...)
	if len(c.Fields) > 0 {
		rows := [][]span{}
		for _, field := range slices.Sorted(maps.Keys(c.Fields)) {
			r := c.Fields[field]
			rows = append(rows, []span{{text: field}, {text: typeWords(&r)}, {text: writerWords(&r)}, {text: levelWords(&r)},
				{text: stepWords(&r)}, {text: noteWords(p, name, field, &r)}})
		}
		d.table([]string{"Field", "What it is", "Who writes it", "Promise", "Written at the same time", "Notes"}, rows)
	}
	if len(c.Constraints) > 0 {
		rows := [][]span{}
		for _, k := range c.Constraints {
			rows = append(rows, []span{{text: k.Name}, {text: k.Must, code: true}, {text: names(k.Approve)}})
		}
		d.table([]string{"Constraint", "Must hold", "Who may let a write pass"}, rows)
	}
	d.detection(c.Detect)
}

func (d *page) detection(x merge.Detection) {
	rows := [][]span{}
	if x.Near > 0 {
		rows = append(rows, []span{{text: "at once"}, {text: "less than " + period(x.Near) + " apart"}})
	}
	if x.Immediate != "" {
		rows = append(rows, []span{{text: "at once"}, {text: x.Immediate, code: true}})
	}
	if x.Deferred != "" {
		rows = append(rows, []span{{text: "in the queue"}, {text: x.Deferred, code: true}})
	}
	if len(rows) > 0 {
		d.table([]string{"Conflicts are reported", "When"}, rows)
	}
}

func typeWords(r *merge.FieldRule) string {
	s := r.Type.String()
	switch {
	case len(r.Members) > 0:
		var fields []string
		for _, m := range slices.Sorted(maps.Keys(r.Members)) {
			fields = append(fields, m+": "+r.Members[m].String())
		}
		s += " of " + strings.Join(fields, ", ")
	case r.Below != 0:
		s += " of " + r.Below.String()
	case r.Of != merge.Any:
		s += " of " + r.Of.String()
	}
	if r.Min != nil {
		s += fmt.Sprintf(", at least %d", *r.Min)
	}
	if r.Max != nil {
		s += fmt.Sprintf(", at most %d", *r.Max)
	}
	return s
}

func writerWords(r *merge.FieldRule) string {
	if len(r.Write) == 0 {
		return "everyone"
	}
	return names(r.Write)
}

func levelWords(r *merge.FieldRule) string {
	if r.Consistency == merge.ConsistencyUnsaid {
		return merge.Causal.String()
	}
	return r.Consistency.String()
}

// stepWords says in plain words what a rule decides.
func stepWords(r *merge.FieldRule) string {
	var words []string
	for _, s := range r.Steps() {
		words = append(words, oneStep(s))
	}
	out := strings.Join(words, "; of these ")
	if r.Sticky {
		out += "; later writes too"
	}
	return out
}

func oneStep(s merge.Step) string {
	order := strings.Join(s.Roles, " before ")
	switch s.Do {
	case merge.StepLatest:
		return "the latest"
	case merge.StepEarliest:
		return "the earliest"
	case merge.StepAuthority:
		return order
	case merge.StepSeniority:
		return "the most senior author's"
	case merge.StepWindow:
		return "within " + s.Window + ": " + order
	case merge.StepRequire:
		return "only if " + s.Expr
	case merge.StepRank:
		return "the greatest by " + s.Expr
	case merge.StepGo:
		return "the greatest by " + merge.FunctionName(s.Function, s.FunctionVersion)
	case merge.StepMerge:
		return "all, merged"
	case merge.StepReview:
		return "the latest, and a person is asked"
	case merge.StepApprove:
		if len(s.Roles) == 0 {
			return "the latest that was approved"
		}
		return "the latest that was approved by " + strings.Join(s.Roles, " or ")
	}
	return s.String()
}

func noteWords(p *merge.Policy, collection, field string, r *merge.FieldRule) string {
	var notes []string
	if len(r.Recount) > 0 {
		notes = append(notes, "recounted by "+names(r.Recount))
	}
	if r.Review > 0 {
		notes = append(notes, fmt.Sprintf("a person looks at edits of %s %% of it and more", strconv.FormatFloat(float64(r.Review)/10_000, 'f', -1, 64)))
	}
	if !r.Intent.IsZero() {
		notes = append(notes, fmt.Sprintf("the same %s within %s is one fact", strings.Join(r.Intent.Key, " and "), period(r.Intent.Window)))
		if len(r.Intent.Conflict) > 0 {
			notes = append(notes, "the same "+strings.Join(r.Intent.Conflict, " and ")+" alone is a conflict")
		}
	}
	if r.Quantity == merge.IsQuantity {
		notes = append(notes, "a quantity")
	}
	if p.Versioned(collection, field) {
		notes = append(notes, "every write is kept until it is settled")
	}
	return strings.Join(notes, "; ")
}
