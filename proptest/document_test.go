package proptest

import (
	"errors"
	"testing"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
)

// dosePolicy lets nurses and doctors write a dose, and doctors a plan.
var dosePolicy = &merge.Policy{
	Roles: []string{"doctor", "nurse"},
	Collections: map[string]merge.Collection{"medication": {Fields: map[string]merge.FieldRule{
		"dose": {Type: crdt.TypeRegister, Of: merge.Integer, Resolve: []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest}},
		"plan": {Type: crdt.TypeText, Write: []string{"doctor"}},
	}}},
}

// A form that was opened before a value arrived does not replace it, and a
// change that the policy refuses leaves nothing behind.
func TestDocumentEdits(t *testing.T) {
	records, err := Records(dosePolicy, nil, "medication")
	if err != nil {
		t.Fatal(err)
	}
	d := records.New(newReplica(0))
	set := func(dose int) func(*crdt.RecordEditor) {
		return func(e *crdt.RecordEditor) { _ = e.Register("dose").Set(dose) }
	}
	if _, err := d.Edit(crdt.Author{Role: "nurse"}, nil, set(5)); err != nil {
		t.Fatal(err)
	}
	form := d.View().Version
	if _, err := d.Edit(crdt.Author{Role: "doctor"}, nil, set(3)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Edit(crdt.Author{Role: "nurse"}, &form, set(7)); err != nil {
		t.Fatal(err)
	}
	if got := d.Value("dose"); got != int64(3) {
		t.Errorf("got dose %v, want the doctor's 3", got)
	}
	before := d.Record().Digest()
	_, err = d.Edit(crdt.Author{Role: "nurse"}, nil, func(e *crdt.RecordEditor) { _ = e.Text("plan").Append("x") })
	if !errors.Is(err, merge.ErrNotEntitled) {
		t.Errorf("got %v, want ErrNotEntitled", err)
	}
	if d.Record().Digest() != before {
		t.Error("a refused change left something behind")
	}
}

func TestRecordsRefuseWhatIsNotThere(t *testing.T) {
	if _, err := Records(dosePolicy, nil, "surgery"); !errors.Is(err, merge.ErrUnknownCollection) {
		t.Errorf("got %v, want ErrUnknownCollection", err)
	}
	if _, err := Records(nil, nil, "anything"); err == nil {
		t.Error("a collection without fields has operations")
	}
}
