package proptest

import (
	"fmt"
	"strings"

	"github.com/concord-crdt/concord/proptest/scenario"
)

// writer turns a history into the steps of a scenario while it is played.
type writer[S, D any] struct {
	w     *world[S, D]
	steps []scenario.Step
	names map[int]string // of the deltas of events
}

// scenario writes a counter-example in the format of package scenario, or says
// what that format has no words for.
func (l *law[S, D]) scenario(t *Type[S, D], f *Failure, h *history) (file []byte, without string) {
	x := &writer[S, D]{w: newWorld(t, h.replicas), names: map[int]string{}}
	for i := range h.steps {
		if without := x.write(i, &h.steps[i]); without != "" {
			return nil, without
		}
	}
	s := &scenario.Scenario{
		ID: scenarioID(f), Level: scenario.Must, Title: f.Law + ": " + f.Means,
		Source: fmt.Sprintf("package proptest: %s, seed %d, history %d", f.Subject, f.Seed, f.History),
		Note:   "Found: " + f.Problem,
		Steps:  append(x.steps, scenario.Step{Do: "merge_orders"}, scenario.Step{Do: "sync_all"}),
	}
	if l.expect != nil {
		s.Expect = l.expect(x.w.events)
	}
	s.Expect.Converged = true
	for _, r := range x.w.replicas[:h.replicas] {
		s.Replicas = append(s.Replicas, r.Name)
	}
	b, err := scenario.Format(&scenario.File{Group: "found", Scenarios: []*scenario.Scenario{s}})
	if err != nil {
		return nil, err.Error()
	}
	return b, ""
}

func (x *writer[S, D]) add(s scenario.Step) { x.steps = append(x.steps, s) }

// write plays one step and writes it down. What a replica refuses, or does in
// vain, is left out; so is compaction, which the format has no step for and
// which must not show.
func (x *writer[S, D]) write(i int, s *step) (without string) {
	before := len(x.w.events)
	// That the world refuses a step is what the counter-example may be about.
	_ = guarded(x.w.do, s)
	name := func(replica int) string { return x.w.replicas[replica].Name }
	switch s.kind {
	case operate:
		if len(x.w.events) == before {
			return ""
		}
		e, op := x.w.events[before], &x.w.t.Operations[s.op]
		var step scenario.Step
		if op.Scenario != nil {
			step = op.Scenario(e)
		}
		if step.Do == "" {
			return fmt.Sprintf("the format has no words for %q of %s", op.Name, x.w.t.Name)
		}
		step.On = e.Replica
		x.names[s.id] = fmt.Sprintf("change-%d", e.number)
		x.add(step)
		x.add(scenario.Step{Do: "delta", On: e.Replica, Name: x.names[s.id], Own: true})
	case deliver:
		for _, id := range s.what {
			if x.names[id] != "" {
				x.add(scenario.Step{Do: "deliver", What: x.names[id], To: name(s.on)})
			}
		}
	case join:
		state := fmt.Sprintf("state-%d", i+1)
		x.add(scenario.Step{Do: "snapshot", On: name(s.from), Name: state})
		x.add(scenario.Step{Do: "deliver", What: state, To: name(s.on)})
	case tick:
		clock := scenario.Step{Do: "clock", Advance: &s.moved}
		if s.on >= 0 {
			clock.On = name(s.on)
		}
		x.add(clock)
	case restart:
		x.add(scenario.Step{Do: "restart", On: name(s.on)})
	}
	return ""
}

// scenarioID names a counter-example by what finds it again.
func scenarioID(f *Failure) string {
	clean := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '-'
		}, strings.ToLower(s))
	}
	return fmt.Sprintf("%s-%s-%d", clean(f.Subject), clean(f.Law), f.History)
}
