package replica

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica/session"
)

// Clocks say how much somebody has of each origin's changes, by scope.
type Clocks map[string]clock.VersionVector

// ExportOptions say what goes into a bundle. The zero value puts in everything.
type ExportOptions struct {
	Scopes []string // as in [SyncOptions]; nil: all
	Since  Clocks   // what the receiver has and needs no more
	Own    bool     // only what this replica wrote
}

// Export writes changes to w as a bundle, for a peer that no session reaches: a
// file for a memory stick, a mail, a queue. [Replica.Import] takes it in, in any
// order with others and as often as it comes. What waits here is passed on too.
//
// It returns what the replica had at that moment: given as Since to the next
// Export, that one has what came after. It costs what the bundle weighs, and
// holds a chunk of it in memory. Compression is left to the caller.
//
// A change that cannot be read from the store is an error that wraps
// [ErrCorrupt]; the bundle is then not whole, and will be refused.
func (r *Replica) Export(ctx context.Context, w io.Writer, o ExportOptions) (Clocks, error) {
	at, err := r.export(ctx, w, o)
	if err != nil {
		return nil, fmt.Errorf("replica: export: %w", err)
	}
	return at, nil
}

func (r *Replica) export(ctx context.Context, w io.Writer, o ExportOptions) (Clocks, error) {
	status, err := peerStore{r}.Status()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(status.Scopes, func(a, b session.ScopeStatus) int { return strings.Compare(a.Name, b.Name) })
	self := r.Origin()
	out, err := session.NewBundleWriter(w, session.BundleHead{From: self, Wall: clock.NewStamp(r.wall(), 0), Policy: r.active.Load().digest})
	if err != nil {
		return nil, err
	}
	at := Clocks{}
	for _, s := range status.Scopes {
		if !session.Wishes(withPolicies(o.Scopes), s.Name) {
			continue
		}
		at[s.Name] = s.Stored
		since := o.Since[s.Name]
		var ranges []clock.Range
		for origin, last := range s.Stored.All() {
			if have := since.Get(origin); have < last && (!o.Own || origin.Replica == self.Replica) {
				ranges = append(ranges, clock.Range{Origin: origin, From: have + 1, To: last})
			}
		}
		if err := r.exportScope(ctx, out, s.Name, ranges); err != nil {
			return nil, err
		}
	}
	return at, out.Close()
}

// exportBytes is how much is read at once.
const exportBytes = 256 << 10

func (r *Replica) exportScope(ctx context.Context, out *session.BundleWriter, scope string, ranges []clock.Range) error {
	for len(ranges) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := peerStore{r}.Changes(scope, ranges, exportBytes)
		if err != nil {
			return err
		}
		if d, ok := unread(ranges, b); ok {
			return fmt.Errorf("change %v of scope %q cannot be read: %w", d, scope, ErrCorrupt)
		}
		for i := range b.Changes {
			if crdt.IsHusk(b.Changes[i].Encoded) {
				return fmt.Errorf("change %v of scope %q: %w; hold a session, or export what came after", b.Changes[i].Dot, scope, ErrPruned)
			}
		}
		if err := out.Write(scope, b.Changes); err != nil {
			return err
		}
		ranges = b.Rest
	}
	return nil
}

// unread finds a change that was asked for and is neither in a batch nor left
// for the next one.
func unread(asked []clock.Range, b session.Batch) (clock.Dot, bool) {
	next := map[clock.Origin]uint64{}
	for _, r := range asked {
		next[r.Origin] = r.From
	}
	for _, c := range b.Changes {
		next[c.Dot.Origin]++
	}
	rest := map[clock.Origin]uint64{}
	for _, r := range b.Rest {
		rest[r.Origin] = r.From
	}
	for _, r := range asked {
		if n := next[r.Origin]; n <= r.To && rest[r.Origin] != n {
			return clock.Dot{Origin: r.Origin, N: n}, true
		}
	}
	return clock.Dot{}, false
}

// ImportReport says what became of a bundle.
type ImportReport struct {
	Head     session.BundleHead
	Verdicts session.Verdicts
	// Items are the changes that wait, were rejected or were refused, up to 256;
	// MoreItems is how many there were beyond. One that waits with
	// [session.CodeGap] came before an earlier change of its origin. It is kept
	// until that is here, and no clock covers it until then.
	Items     []session.Item
	MoreItems uint64
}

const maxImportItems = 256

func (p *ImportReport) enter(i session.Item) {
	switch i.Verdict.Outcome {
	case session.Applied:
		p.Verdicts.Applied++
		return
	case session.Duplicate:
		p.Verdicts.Duplicate++
		return
	case session.Waiting:
		p.Verdicts.Waiting++
	case session.Rejected:
		p.Verdicts.Rejected++
	default:
		p.Verdicts.Refused++
	}
	if len(p.Items) == maxImportItems {
		p.MoreItems++
		return
	}
	p.Items = append(p.Items, i)
}

// Import takes in a bundle that [Replica.Export] wrote, and returns when it is
// durable. It goes through the bundle twice: one that is damaged, cut short or of
// a later version is refused whole, before anything was changed, by an error that
// wraps [session.ErrBundle] and the cause.
//
// Each change has its own verdict, as in a session, and blocks no other. Nothing
// is told to the author of the bundle: what was refused must come again, by a
// bundle or a session.
//
// It costs what a session with these changes costs, and holds a chunk of at most
// 4 MiB in memory.
func (r *Replica) Import(ctx context.Context, bundle io.ReadSeeker) (ImportReport, error) {
	var p ImportReport
	start, err := bundle.Seek(0, io.SeekCurrent)
	if err != nil {
		return p, fmt.Errorf("replica: import: %w", err)
	}
	whole := func(session.BundleHead, session.BundleChunk) error { return ctx.Err() }
	if err := session.ReadBundle(bundle, whole); err != nil {
		return p, fmt.Errorf("replica: import: %w", err)
	}
	if _, err := bundle.Seek(start, io.SeekStart); err != nil {
		return p, fmt.Errorf("replica: import: %w", err)
	}
	err = session.ReadBundle(bundle, func(h session.BundleHead, c session.BundleChunk) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.Head = h
		return r.importChunk(h, &c, &p)
	})
	if err != nil {
		return p, fmt.Errorf("replica: import: %w", err)
	}
	return p, nil
}

func (r *Replica) importChunk(h session.BundleHead, c *session.BundleChunk, p *ImportReport) error {
	for _, i := range c.Faults {
		p.enter(i)
	}
	changes := r.others(c, p)
	if len(changes) == 0 {
		return nil
	}
	in := session.Intake{Peer: h.From, Scope: c.Scope, Changes: changes,
		Agreed: clock.Agreed(clock.NewStamp(r.wall(), 0), h.Wall)}
	verdicts, err := r.intake(in)
	if err != nil {
		return err
	}
	var early []*session.Incoming
	for i, v := range verdicts {
		if v.Outcome == session.Refused && v.Code == session.CodeGap {
			early = append(early, &changes[i])
			continue
		}
		p.enter(itemOf(c.Scope, &changes[i], v))
	}
	if len(early) == 0 {
		return nil
	}
	if verdicts, err = r.keep(c.Scope, early); err != nil {
		return err
	}
	for i, v := range verdicts {
		p.enter(itemOf(c.Scope, early[i], v))
	}
	return nil
}

// others are the changes of a chunk but for those that this replica would have
// to have made itself, under its present name, and does not have: nobody else
// continues its history.
func (r *Replica) others(c *session.BundleChunk, p *ImportReport) []session.Incoming {
	r.mu.RLock()
	last := uint64(0)
	if s := r.scopes[c.Scope]; s != nil {
		last = s.stored.Get(r.origin)
	}
	self := r.origin
	r.mu.RUnlock()
	changes := c.Changes[:0:0]
	for i := range c.Changes {
		in := &c.Changes[i]
		if in.Dot.Origin == self && in.Dot.N > last {
			p.enter(itemOf(c.Scope, in, refused(session.CodeFork, "this replica does not remember its change; sync with a peer that has it")))
			continue
		}
		changes = append(changes, *in)
	}
	return changes
}

func itemOf(scope string, in *session.Incoming, v session.Verdict) session.Item {
	i := session.Item{Received: true, Scope: scope, Dot: in.Dot, Verdict: v}
	if in.Change != nil && len(in.Change.Parts) > 0 {
		i.Key = in.Change.Parts[0].Key
	}
	return i
}
