package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/replica"
)

// ruledOperations are those on types that keep to a rule of their own, and on
// whole groups.
var ruledOperations = []operation{
	{name: "group.set", args: "NAME=VALUE...", help: "write all values of the group", kind: crdt.TypeGroup, least: 1, most: -1, parse: parseGroupSet},
	{name: "disable-flag.enable", help: "switch on", kind: crdt.TypeDisableFlag,
		parse: takesNothing(withRecord(func(p *replica.Record, name string) error { return p.DisableFlag(name).Enable() }))},
	{name: "disable-flag.disable", help: "switch off; beats switching on apart", kind: crdt.TypeDisableFlag,
		parse: takesNothing(withRecord(func(p *replica.Record, name string) error { return p.DisableFlag(name).Disable() }))},
	{name: "remove-set.add", args: "VALUE...", help: "add elements", kind: crdt.TypeRemoveSet, least: 1, most: -1,
		parse: takesElements(crdt.SetField.Add)},
	{name: "remove-set.remove", args: "VALUE...", help: "remove elements; beats adding them apart", kind: crdt.TypeRemoveSet, least: 1, most: -1,
		parse: takesElements(crdt.SetField.Remove)},
	{name: "stock.recount", args: "N [TIME]", help: "write how many were counted, now or at TIME", kind: crdt.TypeStock, least: 1, most: 2,
		parse: parseRecount},
	{name: "bounded.open", args: "LEAST MOST VALUE", help: "begin within bounds; the rights are yours", kind: crdt.TypeBounded, least: 3, most: 3,
		parse: parseOpen},
	{name: "bounded.add", args: "N", help: "add N, as far as this store has rights", kind: crdt.TypeBounded, least: 1, most: 1,
		parse: takesNumber(inRecord(func(p *replica.Record, name string, n int64) error {
			return checkOpen(p, name, p.Bounded(name).Add(n))
		}))},
	{name: "bounded.transfer", args: "REPLICA N", help: "give rights to add N to a replica", kind: crdt.TypeBounded, least: 2, most: 2,
		parse: parseTransfer},
	{name: "bounded.claim", help: "take over what sealed incarnations held", kind: crdt.TypeBounded,
		parse: takesNothing(withRecord(func(p *replica.Record, name string) error {
			return checkOpen(p, name, p.Claim(name))
		}))},
	{name: "proposal.propose", args: "VALUE", help: "offer a value, which counts once approved", kind: crdt.TypeProposal, least: 1, most: 1,
		parse: takesValues(func(in container, name string, v []any) error {
			return withRecord(func(p *replica.Record, name string) error {
				_, err := p.Proposal(name).Propose(v[0])
				return err
			})(in, name)
		})},
	{name: "proposal.approve", args: "[VALUE]", help: "approve a proposal; VALUE if several are open", kind: crdt.TypeProposal, most: 1,
		parse: takesVerdict(true)},
	{name: "proposal.decline", args: "[VALUE]", help: "decline a proposal; beats approving it apart", kind: crdt.TypeProposal, most: 1,
		parse: takesVerdict(false)},
}

// withRecord is for types that a map cannot hold.
func withRecord(do func(p *replica.Record, name string) error) doing {
	return func(in container, name string) error {
		return inRecord(func(p *replica.Record, name string, _ int64) error { return do(p, name) })(in, name, 0)
	}
}

func takesElements(do func(crdt.SetField, any) error) func([]string) (doing, error) {
	return takesValues(oneByOne(func(in container, name string, v any) error {
		return withRecord(func(p *replica.Record, name string) error { return do(p.RemoveSet(name), v) })(in, name)
	}))
}

// parseGroupSet reads NAME=VALUE... as put reads it.
func parseGroupSet(args []string) (doing, error) {
	parts := map[string]any{}
	for _, a := range args {
		name, text, found := strings.Cut(a, "=")
		parse := parseValue
		if forced, ok := strings.CutSuffix(name, ":"); ok {
			name, parse = forced, parseJSON
		}
		if !found || name == "" {
			return nil, usageErrorf("%q is no part of a group; write NAME=VALUE, or NAME:=JSON", a)
		}
		if _, twice := parts[name]; twice {
			return nil, usageErrorf("%s is given twice", plain(name))
		}
		var err error
		if parts[name], err = parse(text); err != nil {
			return nil, err
		}
	}
	return func(in container, name string) error { return in.Group(name).Set(parts) }, nil
}

func parseRecount(args []string) (doing, error) {
	var asOf clock.Stamp // zero: the change's own
	if len(args) == 2 {
		t, err := parseTime(args[1])
		if err != nil {
			return nil, err
		}
		if t.After(time.Now()) {
			return nil, usageErrorf("%s has not come yet; a count is of now or of before", plain(args[1]))
		}
		asOf = clock.NewStamp(t, 0)
	}
	return takesNumber(inRecord(func(p *replica.Record, name string, n int64) error {
		return p.Stock(name).Recount(n, asOf)
	}))(args[:1])
}

// timeForms are how a moment may be written; without a zone it is in that of
// whoever writes.
var timeForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"}

func parseTime(s string) (time.Time, error) {
	for _, form := range timeForms {
		if t, err := time.ParseInLocation(form, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageErrorf("%q is no time; write 2006-01-02T15:04:05, with Z at the end for UTC", s)
}

func parseOpen(args []string) (doing, error) {
	var n [3]int64
	for i := range args {
		// takesNumber gives the number to what it makes, and the error at once.
		do, err := takesNumber(func(_ container, _ string, x int64) error { n[i] = x; return nil })(args[i : i+1])
		if err != nil {
			return nil, err
		}
		if err := do(nil, ""); err != nil {
			return nil, err
		}
	}
	if n[0] > n[2] || n[2] > n[1] {
		return nil, usageErrorf("%d is not within %d and %d; write LEAST MOST VALUE", n[2], n[0], n[1])
	}
	return withRecord(func(p *replica.Record, name string) error { return p.Bounded(name).Open(n[0], n[1], n[2]) }), nil
}

// checkOpen says what to do about an operation on a bounded counter that was
// never opened.
func checkOpen(p *replica.Record, name string, err error) error {
	if f, found := fieldOf(p, name, crdt.TypeBounded); err != nil && (!found || !f.Bounded().Open) {
		return advise(err, "%s has no bounds yet; begin with: bounded.open LEAST MOST VALUE", plain(name))
	}
	return err
}

// fieldOf finds a field of a record within a change.
func fieldOf(p *replica.Record, name string, kind crdt.Type) (crdt.Field, bool) {
	for f := range p.Fields() {
		if f.Name() == name && f.Type() == kind {
			return f, true
		}
	}
	return crdt.Field{}, false
}

func parseTransfer(args []string) (doing, error) {
	return takesNumber(inRecord(func(p *replica.Record, name string, n int64) error {
		to, err := findOrigin(p.Origins(), args[0])
		if err != nil {
			return err
		}
		return checkOpen(p, name, p.Bounded(name).Transfer(to, n))
	}))(args[1:])
}

// findOrigin finds who is meant by the beginning of a replica's id, or by a
// whole origin, REPLICA/INCARNATION, also of one that is not known here.
func findOrigin(known []clock.Origin, name string) (clock.Origin, error) {
	replicaName, incarnation, whole := strings.Cut(name, "/")
	if whole {
		o := clock.Origin{}
		if err := o.Replica.UnmarshalText([]byte(replicaName)); err == nil {
			if _, err := fmt.Sscanf(incarnation+" ", "%x ", &o.Incarnation); err == nil && jsonOrigin(o) == strings.ToLower(name) {
				return o, nil
			}
		}
		return o, usageErrorf("%q is no origin; write REPLICA/INCARNATION as concord inspect shows it", name)
	}
	var found []clock.Origin
	for _, o := range known {
		if name != "" && strings.HasPrefix(o.Replica.String(), strings.ToLower(name)) {
			found = append(found, o)
		}
	}
	switch len(found) {
	case 0:
		return clock.Origin{}, usageErrorf("nothing of a replica %s has arrived here; name it in full, REPLICA/INCARNATION, as concord inspect DIR shows it there", plain(name))
	case 1:
		return found[0], nil
	}
	var names []string
	for _, o := range found {
		names = append(names, jsonOrigin(o))
	}
	return clock.Origin{}, usageErrorf("%s can be any of %s; name one in full", plain(name), strings.Join(names, ", "))
}

// takesVerdict reads which proposal is decided on: the open ones of a value, or
// those that were decided on already where none is open; without a value the
// only one that is open.
func takesVerdict(approve bool) func([]string) (doing, error) {
	return func(args []string) (doing, error) {
		var value any
		if len(args) == 1 {
			var err error
			if value, err = parseValue(args[0]); err != nil {
				return nil, err
			}
		}
		return withRecord(func(p *replica.Record, name string) error {
			f, _ := fieldOf(p, name, crdt.TypeProposal)
			meant, err := meantBy(f.Proposals(), name, len(args) == 1, value)
			if err != nil {
				return err
			}
			for _, m := range meant {
				if err := p.Proposal(name).Decide(m.ID, approve); err != nil {
					return err
				}
			}
			return nil
		}), nil
	}
}

func meantBy(all []crdt.Proposed, name string, named bool, value any) ([]crdt.Proposed, error) {
	isOpen := func(p crdt.Proposed) bool { return p.Verdict == crdt.Open }
	var meant, open []crdt.Proposed
	for _, p := range all {
		if isOpen(p) {
			open = append(open, p)
		}
		if named && sameValue(p.Value, value) {
			meant = append(meant, p)
		}
	}
	if !named {
		meant = open
	} else if slices.ContainsFunc(meant, isOpen) {
		meant = slices.DeleteFunc(meant, func(p crdt.Proposed) bool { return !isOpen(p) })
	}
	switch {
	case len(all) == 0:
		return nil, advise(crdt.ErrNoProposal, "%s has no proposal; make one with: proposal.propose VALUE", plain(name))
	case len(meant) == 0 && named:
		return nil, advise(crdt.ErrNoProposal, "nobody proposed %s for %s; proposed were %s", show(value, shownBytes), plain(name), proposedValues(all))
	case len(meant) == 0:
		return nil, advise(crdt.ErrNoProposal, "no proposal for %s is open; to decide again, name the value: %s", plain(name), proposedValues(all))
	case len(meant) > 1 && !named:
		return nil, advise(crdt.ErrNoProposal, "several proposals for %s are open; name the value: %s", plain(name), proposedValues(meant))
	}
	return meant, nil
}

func proposedValues(ps []crdt.Proposed) string {
	var words []string
	for _, p := range ps {
		words = append(words, show(p.Value, shownBytes/2)+" ("+p.Verdict.String()+")")
	}
	return strings.Join(words, ", ")
}

func hasPrefixFold(s, prefix string) bool {
	return prefix != "" && len(prefix) <= len(s) && strings.EqualFold(s[:len(prefix)], prefix)
}
