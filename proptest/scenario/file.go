package scenario

import (
	"math/big"
	"time"
)

// Start is what every replica's wall clock shows when a scenario begins. Clocks
// stand still until a step moves them.
var Start = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)

// File is a group of scenarios, one JSON file.
type File struct {
	Group     string
	About     string
	Scenarios []*Scenario
}

// Level says what a failure means.
type Level string

// The levels of scenarios and budgets.
const (
	Must   Level = "must"   // a failure is a fault
	Should Level = "should" // a matter of quality: listed, and no more
)

// Scenario is one distributed history and what must hold at its end.
type Scenario struct {
	ID     string
	Level  Level
	Title  string
	Source string // the paper, test or issue behind the idea
	// Replicas are names. By default their ids ascend in this order.
	Replicas []string
	// PermuteIDs runs the scenario once for every assignment of ids to names.
	PermuteIDs bool
	Needs      []Capability
	Policy     *Policy // active on every replica from the start
	Budget     *Budget
	// FrameworkExpect and Note are for the reader.
	FrameworkExpect string
	Note            string
	Steps           []Step
	Expect          Expect
}

// Policy is a policy document. JSON is a subset of YAML, so a reader of YAML
// reads both forms.
type Policy struct {
	Text string
	JSON bool // it stood in the file as an object, and Text is that object
}

// Budget is what a run may cost. Zero fields ask for nothing. Costs are
// measured and reported; a missed budget fails the scenario if Level is Must.
type Budget struct {
	Level                         Level // empty: the scenario's own
	StateBytesMax                 int64
	StateBytesMaxAfterCompression int64 // by DEFLATE
	WallMillisMax                 int64
	BytesMaxFractionOfFull        float64 // of measure_sync
	RoundTripsMax                 int64   // of measure_sync
	ChangesMax                    int64   // of measure_sync
}

// Step is one line of a scenario. Do names it; which other fields it uses is
// fixed by that name, and the rest is ignored by the writer and the runner.
type Step struct {
	Do    string
	On    string // the acting replica
	Label string // a name for the write, for expectations and verdicts

	MayFail     bool // the operation may return an error, and then changes nothing
	ExpectError bool // it must return one

	// Who writes, when and why; all optional.
	Actor     string
	Role      string
	Seniority int
	When      time.Time // key at: sets the acting replica's wall clock
	Intent    string
	Seen      string // a version token named by an earlier read

	Obj      string
	Path     []string // the object, then the keys below it
	Pos      Position // key at; in record.edit key pos
	Text     string
	Repeated *Repeated // key text_repeat
	Unit     string    // utf16, or empty for code points
	Dir      string
	Hex      string
	Len      int
	First    int // key from, of a range
	Last     int // key to, of a range or a move
	Mark     string
	Bias     string
	Type     string
	By       *big.Int
	Value    any
	List     []any // key values

	Name   string // key as: what later steps call it
	What   string
	From   string
	To     string
	Own    bool
	Times  int
	Groups [][]string

	Set     time.Time
	Advance *time.Duration // key advance_ms

	Flips    string
	Truncate string
	Version  string
	Wall     string

	Wants  Values  // key values of require
	Expect *Expect // of check
	Steps  []Step  // of repeat, and key then of sync_stepwise
	Op     string  // of record.edit: the name of the operation
	Inner  *Step   // key op of crash_loop

	Record     string
	Parent     string
	Field      string
	AsOf       time.Time
	Custom     bool // resolve: Value stands under custom, not under choose
	Of         string
	Decision   string
	Policy     *Policy
	Collection string
	Records    int
	BytesEach  int
	Bad        []int
	Parents    []string

	N         int
	DropAfter []Percent
	Checks    []string // key check_each_chunk
	After     Percent
	Fits      string
	Points    string
}

// Position is a place in a text or list: an index, or End or Mid, which the
// runner resolves when it comes to the step.
type Position struct {
	Index int
	mark  string
}

// The positions that are not numbers. Mid is half the length, rounded down.
var (
	End = Position{mark: "end"}
	Mid = Position{mark: "mid"}
)

// At is the position before the element with this index.
func At(index int) Position { return Position{Index: index} }

// Repeated is a text written n times.
type Repeated struct {
	Text  string // key s
	Times int    // key n
}

// Percent is a share of something, 41 for "41%".
type Percent float64

// Values maps keys such as text:t or record:tour/1 to wanted values.
type Values map[string]any
