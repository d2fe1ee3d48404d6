package scenario

import "fmt"

// doRecord performs the steps on records that are no edits of a field.
func (r *run) doRecord(s *Step) error {
	p, err := as[PolicyReplica](r.replicas[s.On], CanRule)
	if err != nil {
		return err
	}
	a := r.author(s)
	var change Change
	switch s.Do {
	case "read":
		r.tokens[s.Name], err = p.Token(a, s.Record)
	case "record.create":
		change, err = p.Create(a, s.Record, s.Parent)
	case "record.delete":
		change, err = p.Delete(a, s.Record)
	case "resolve":
		change, err = p.Resolve(a, Resolution{Record: s.Record, Field: s.Field, Value: s.Value, Custom: s.Custom})
	case "verdict":
		v := Verdict{Record: s.Record, Intent: s.Of, Approve: s.Decision == "approve"}
		if changes := r.labels[s.Of]; len(changes) > 0 {
			v.Of, v.Intent = changes[len(changes)-1], ""
		}
		change, err = p.Decide(a, v)
	case "policy.activate":
		change, err = p.Activate(a, *s.Policy)
	case "bulk_create":
		err = p.BulkCreate(a, Bulk{Collection: s.Collection, Records: s.Records, BytesEach: s.BytesEach,
			Bad: s.Bad, Parents: s.Parents})
	default:
		return fmt.Errorf("scenario: %s is no step on records", s.Do)
	}
	if err != nil {
		return err
	}
	r.name(s, change)
	return nil
}
