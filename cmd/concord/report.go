package main

import (
	"fmt"

	"github.com/concord-crdt/concord/replica/session"
)

// notApplied counts the changes of a session that one side did not take.
func notApplied(r *session.Report) uint64 {
	return uint64(len(r.Items)) + r.MoreItems + r.Withheld
}

func peerName(r *session.Report) string {
	if r.Peer.Origin.IsZero() {
		return "somebody"
	}
	return "replica " + r.Peer.Origin.Replica.String()[:8]
}

// traffic is what went one way, in a few words.
func traffic(t *session.Traffic) string {
	return fmt.Sprintf("%s (%s)", count(t.Changes.Changes, "change"), showBytes(t.Bytes))
}

// jsonReport is a report as --json shows it.
func jsonReport(r *session.Report) map[string]any {
	out := map[string]any{
		"complete":    r.CaughtUp && notApplied(r) == 0,
		"sent":        jsonTraffic(&r.Sent),
		"received":    jsonTraffic(&r.Received),
		"round_trips": r.RoundTrips,
		"not_applied": notApplied(r),
		"withheld":    r.Withheld,
	}
	if !r.Peer.Origin.IsZero() {
		out["peer"] = r.Peer.Origin.Replica.String()
	}
	items := []map[string]any{}
	for _, i := range r.Items {
		items = append(items, map[string]any{
			"received": i.Received, "scope": i.Scope, "key": i.Key, "dot": jsonDot(i.Dot),
			"outcome": i.Verdict.Outcome.String(), "code": i.Verdict.Code.String(), "reason": i.Verdict.Reason,
		})
	}
	out["items"] = items
	alarms := []map[string]any{}
	for _, a := range r.Alarms {
		alarms = append(alarms, map[string]any{"kind": a.Kind.String(), "scope": a.Scope})
	}
	out["alarms"] = alarms
	return out
}

func jsonTraffic(t *session.Traffic) map[string]any {
	return map[string]any{"changes": t.Changes.Changes, "bytes": t.Bytes}
}

// printItems lists what was not applied, with the reasons.
func (e *env) printItems(r *session.Report) {
	for _, i := range r.Items {
		way := "sent"
		if i.Received {
			way = "received"
		}
		record := plain(i.Scope)
		if i.Key != "" {
			record += ", record " + plain(i.Key)
		}
		e.printf("  not applied: %s %s, change %v: %s\n", way, record, i.Dot, defuse(i.Verdict.String()))
	}
	if r.MoreItems > 0 {
		e.printf("  and %d more that were not applied\n", r.MoreItems)
	}
	if r.Withheld > 0 {
		e.printf("  held back, since an earlier change was refused: %s\n", count(r.Withheld, "change"))
	}
	for _, a := range r.Alarms {
		e.printf("  alarm: %v\n", alarmWords(a))
	}
	for _, x := range r.Reissued {
		e.printf("  this store had lost changes that the peer remembers; what it wrote after them in %s was made again as new changes\n", plain(x.Scope))
	}
}

func alarmWords(a session.Alarm) string {
	switch a.Kind {
	case session.Divergence:
		return fmt.Sprintf("the two stores have the same changes of %s and differ; one of them is damaged", plain(a.Scope))
	case session.Fork:
		return fmt.Sprintf("two histories go by the name %v in %s; a copied store is in use twice", a.Dot.Origin, plain(a.Scope))
	case session.Clone:
		return "the peer is a copy of this very store; give it a store of its own with concord init"
	}
	return a.Kind.String()
}
