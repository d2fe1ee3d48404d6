package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const clinicPolicy = `policy: clinic
version: 2
roles: [doctor, nurse]
windows: {round: [{from: 2030-01-01T08:00:00Z, to: 2030-01-01T12:00:00Z}]}
collections:
  medication:
    priority: high
    partition: ward
    parent: {collection: patient, required: true}
    staleness: 15m
    refs: {prescriber: {collection: patient, at: now}}
    fields:
      dose: {type: group, of: {mg: integer, unit: string}, write: [doctor, nurse], resolve: [{authority: [doctor, nurse]}, latest], sticky: true}
      events: {type: log, intent: {key: [dose, action], window: 15m, conflict: [dose]}}
      level: {type: stock, recount: [nurse]}
      plan: {type: text, review: {from: 25000}}
      prescriber: {type: register, of: string, resolve: [{require: "candidate.role == 'doctor' || size(candidate.value) > 1"}, {rank: '[candidate.seniority]'}, {go: length@1}, seniority, {window: round, authority: [nurse]}, earliest]}
      rest: {type: bounded, min: 0, max: 9, consistency: reserved}
      tariff: {type: register, consistency: approved, resolve: [{approve: [doctor]}]}
      asked: {type: register, resolve: [review]}
      items: {type: map, of: counter, quantity: true}
    constraints: [{name: maximum, must: "record.dose.mg <= 4000 || record.rest == 0", approve: [doctor]}]
    detect: {near: 10m, immediate: record.dose.mg > 100, deferred: "true"}
  patient: {offline: read, delete: update-wins}
`

func policyFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPolicyCheck(t *testing.T) {
	good := policyFile(t, "good.yaml", clinicPolicy)
	r := concord(t, "policy", "check", good)
	if r.code != exitOK || !strings.HasPrefix(r.stdout, good+`: nothing to say; version 2 of "clinic", digest `) {
		t.Errorf("got %+v", r)
	}

	bad := policyFile(t, "bad.yaml", strings.Replace(clinicPolicy, "[{authority: [doctor, nurse]}, latest]", "[{authority: [docter]}]", 1))
	r = concord(t, "policy", "check", good, bad)
	lines := strings.Split(r.stdout, "\n")
	want := []string{
		bad + `:13:84: warning: what these steps leave is decided by the names of replicas`,
		"    help: end with latest, earliest or review",
		bad + `:13:107: error: "docter" is no role`,
		"    help: correct it, or add it to roles (doctor, nurse)",
		bad + ": 1 error, 1 warning",
		"",
	}
	if diff := cmp.Diff(want, lines[1:]); diff != "" || r.code != exitFailure || r.stderr != "" {
		t.Errorf("got %d, %q; stdout (-want +got):\n%s", r.code, r.stderr, diff)
	}

	r = concord(t, "policy", "check", "--json", bad)
	if r.code != exitFailure || strings.Count(r.stdout, "\n") != 2 || !strings.Contains(r.stdout,
		`"line":13,"column":107,"severity":"error","path":"collections.medication.fields.dose.resolve[0].authority[0]","problem":"\"docter\" is no role"`) {
		t.Errorf("got %+v", r)
	}
	if r = concord(t, "policy", "check", good+".none"); r.code != exitFailure || !strings.Contains(r.stderr, "read the policy") {
		t.Errorf("got %+v", r)
	}
	if r = concord(t, "policy", "chek"); r.code != exitUsage || !strings.Contains(r.stderr, "did you mean check?") {
		t.Errorf("got %+v", r)
	}
}

func TestPolicyRender(t *testing.T) {
	path := policyFile(t, "clinic.yaml", clinicPolicy)
	r := concord(t, "policy", "render", path)
	want := "# clinic\n" +
		"\n* Version 2\n* Roles, the most senior first: doctor, nurse\n* The next version is put into force by: doctor\n" +
		"\n## Windows\n\n| Window | From | Until |\n| --- | --- | --- |\n| round | 2030-01-01T08:00:00Z | 2030-01-01T12:00:00Z |\n" +
		"\n## medication\n" +
		"\n* Synchronised with priority high\n* Offline: read and write\n* Deleted and edited at the same time: deleted\n" +
		"* Divided by ward, the first part of the key\n* Belongs to a record of patient, and is hidden without it\n" +
		"* prescriber names a record of patient, as it is now\n* Reported when older than 15m\n" +
		"\n| Field | What it is | Who writes it | Promise | Written at the same time | Notes |\n| --- | --- | --- | --- | --- | --- |\n" +
		"| asked | register | everyone | causal | the latest, and a person is asked | every write is kept until it is settled |\n" +
		"| dose | group of mg: integer, unit: string | doctor, nurse | causal | doctor before nurse; of these the latest; later writes too | every write is kept until it is settled |\n" +
		"| events | log | everyone | causal | all, merged | the same dose and action within 15m is one fact; the same dose alone is a conflict; every write is kept until it is settled |\n" +
		"| items | map of counter | everyone | causal | all, merged | a quantity; every write is kept until it is settled |\n" +
		"| level | stock | everyone | causal | all, merged | recounted by nurse; every write is kept until it is settled |\n" +
		"| plan | text | everyone | causal | all, merged | a person looks at edits of 2.5 % of it and more; every write is kept until it is settled |\n" +
		"| prescriber | register of string | everyone | causal | only if candidate.role == 'doctor' \\|\\| size(candidate.value) \\> 1; of these the greatest by \\[candidate.seniority\\]; of these the greatest by length@1; of these the most senior author's; of these within round: nurse; of these the earliest | every write is kept until it is settled |\n" +
		"| rest | bounded, at least 0, at most 9 | everyone | reserved | all, merged | every write is kept until it is settled |\n" +
		"| tariff | register | everyone | approved | the latest that was approved by doctor | every write is kept until it is settled |\n" +
		"\n| Constraint | Must hold | Who may let a write pass |\n| --- | --- | --- |\n| maximum | `record.dose.mg <= 4000 \\|\\| record.rest == 0` | doctor |\n" +
		"\n| Conflicts are reported | When |\n| --- | --- |\n| at once | less than 10m apart |\n| at once | `record.dose.mg > 100` |\n| in the queue | `true` |\n" +
		"\n## patient\n\n* Synchronised with priority normal\n* Offline: read only\n* Deleted and edited at the same time: the edit stays\n"
	if diff := cmp.Diff(want, r.stdout); diff != "" || r.code != exitOK {
		t.Errorf("got %d; stdout (-want +got):\n%s", r.code, diff)
	}

	r = concord(t, "policy", "render", "--html", path)
	for _, want := range []string{"<h1>clinic</h1>", "<td>doctor before nurse; of these the latest; later writes too</td>", "<code>record.dose.mg &lt;= 4000 || record.rest == 0</code>"} {
		if r.code != exitOK || !strings.Contains(r.stdout, want) {
			t.Errorf("code %d, no %s in\n%s", r.code, want, r.stdout)
		}
	}
	hostile := policyFile(t, "hostile.yaml", strings.Replace(clinicPolicy, "policy: clinic", `policy: "<script>*x*"`, 1))
	if r = concord(t, "policy", "render", "--html", hostile); strings.Contains(r.stdout, "<script>") {
		t.Error("a name became mark-up")
	}
	if r = concord(t, "policy", "render", hostile); !strings.HasPrefix(r.stdout, "# \\<script\\>\\*x\\*\n") {
		t.Errorf("got %.40q", r.stdout)
	}
	if r = concord(t, "policy", "render", policyFile(t, "bad.yaml", "policy: [")); r.code != exitFailure || !strings.Contains(r.stdout, "it is not YAML") {
		t.Errorf("got %+v", r)
	}
}
