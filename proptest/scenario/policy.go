package scenario

import "time"

// PolicyReplica is a replica with records under a policy, for [CanRule].
type PolicyReplica interface {
	Replica
	RecordWriter
	RecordReader
}

// RecordWriter performs what edits cannot say. An error means that nothing
// changed: the rules refused the write at once.
type RecordWriter interface {
	// Create gives birth to a record. The parent, if one is named, need not be
	// there yet.
	Create(a Author, record, parent string) (Change, error)
	// Delete deletes the births that the author saw.
	Delete(a Author, record string) (Change, error)
	// Resolve writes a person's decision over what the field shows.
	Resolve(Author, Resolution) (Change, error)
	// Decide gives a verdict on a held write or a proposal.
	Decide(Author, Verdict) (Change, error)
	// Activate writes the next version of the policy.
	Activate(Author, Policy) (Change, error)
	// BulkCreate creates numbered records, each as a change of its own.
	BulkCreate(Author, Bulk) error
	// Token names what the author sees of a record now.
	Token(a Author, record string) (Token, error)
}

// Resolution is a person's decision about one field.
type Resolution struct {
	Record, Field string
	Value         any
	Custom        bool // Value is none of the candidates, but the person's own
}

// Verdict approves or rejects a write.
type Verdict struct {
	Record  string
	Of      Change // the write, or empty if only its intent is known
	Intent  string
	Approve bool
}

// Bulk describes records of one collection, numbered from 1.
type Bulk struct {
	Collection string
	Records    int
	BytesEach  int      // of the first field of strings
	Bad        []int    // these hold a value of the wrong type, past the author's own check
	Parents    []string // each record takes the next one, in turn
}

// RecordReader reads what the policy makes of the state.
type RecordReader interface {
	// View returns the fields of a record as the application sees them. An absent
	// or unresolved field is nil or missing.
	View(record string) (map[string]any, error)
	// Visible reports whether the record is shown.
	Visible(record string) (bool, error)
	// VisibleIn returns how many records of a collection are shown.
	VisibleIn(collection string) (int, error)
	// Overlay lists what the rules have to say about all records.
	Overlay() (Overlay, error)
	// Explain returns the resolution step that left one candidate.
	Explain(record, field string) (string, error)
	// Provisional reports whether the view lacks something that it needs.
	Provisional() (bool, error)
	// DigestWithoutPolicy returns the digest of the same changes with overlays off.
	DigestWithoutPolicy() (string, error)
}

// Overlay is what the rules say about the records of a replica.
type Overlay struct {
	Unresolved []Item
	Held       []Item // that nothing supersedes, proposals without a verdict too
	Review     []Item
	Waiting    []Item
	Rejected   []Item
	Conflicts  []Conflict
	Witnesses  []Witness // one per fact of each log, in the log's order
	Overruled  []Overruled
}

// Item is one entry of a list: a record, a field of it, or one change to it.
type Item struct {
	Record string
	Field  string // empty if it concerns the whole record
	Change Change
}

// Conflict is one that detection reports and that is open.
type Conflict struct {
	Record     string
	Field      string
	Kind       string // technical or business
	Severity   string // none, auto, deferred or immediate
	Candidates []any  // their values
}

// Witness is one fact of a log: how many reports of it there are, the first one
// included.
type Witness struct {
	Record string
	Field  string
	Count  int
}

// Overruled is a write that is not shown and still readable.
type Overruled struct {
	Record string
	Field  string
	Value  any
	Role   string
	Actor  string
	At     time.Time
	Change Change
}
