package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A run is one scenario under one assignment of ids.
type run struct {
	Runner
	s     *Scenario
	ids   []string // names in ascending order of ids
	first bool     // of the assignments: the costly checks are whole
	world World

	replicas map[string]Replica
	clocks   map[string]time.Time
	groups   map[string]int // of a partition; nil when healed
	watched  []Key          // all that the scenario ever reads

	marks    map[string]Mark
	messages map[string][]byte
	backups  map[string]Backup
	tokens   map[string]Token
	anchors  map[string]Anchor
	labels   map[string][]Change
	// restored and delivered are the names of snapshots by what is done with them.
	restored, delivered map[string]bool
	repairs             bool // a replica was restored and may repair its past

	at      string // where the run is
	current *Step
	round   string // of the innermost repeat, as text; empty outside
	trace   trace
	done    int
	partial bool   // the step failed after some of its edits were done
	remark  string // what the trace says about the step
	costs   []Cost
	sync    *SyncCost
	wall    time.Duration
}

func newRun(r Runner, s *Scenario, ids []string, first bool) *run {
	run := &run{Runner: r, s: s, ids: ids, first: first,
		replicas: map[string]Replica{}, clocks: map[string]time.Time{}, marks: map[string]Mark{},
		messages: map[string][]byte{}, backups: map[string]Backup{}, tokens: map[string]Token{},
		anchors: map[string]Anchor{}, labels: map[string][]Change{},
		restored: map[string]bool{}, delivered: map[string]bool{},
		at: "open", trace: trace{most: r.TraceLines}}
	run.watched = s.watched()
	run.lookAhead(s.Steps)
	return run
}

// lookAhead finds out what snapshots are for.
func (r *run) lookAhead(steps []Step) {
	for i := range steps {
		switch s := &steps[i]; s.Do {
		case "restore":
			r.restored[s.From] = true
		case "deliver", "deliver_corrupt", "deliver_version":
			r.delivered[s.What] = true
		}
		r.lookAhead(steps[i].Steps)
	}
}

func (r *run) open() error {
	world, err := r.Opener.Open(Setup{Scenario: r.s.ID, Replicas: slices.Clone(r.ids), Policy: r.s.Policy, Start: Start,
		Durable: durable(r.s.Steps)})
	if err != nil {
		return fmt.Errorf("opening the world: %w", err)
	}
	r.world = world
	for _, name := range r.s.Replicas {
		replica := world.Replica(name)
		if replica == nil {
			return errors.Join(fmt.Errorf("the world has no replica %s", name), world.Close())
		}
		r.replicas[name] = replica
		r.clocks[name] = Start
		replica.SetWall(Start)
	}
	return nil
}

// durable reports whether a step needs a disk.
func durable(steps []Step) bool {
	return slices.ContainsFunc(steps, func(s Step) bool {
		switch s.Do {
		case "restart", "restore", "kill_during", "crash_loop", "open_again", "disk_full", "disk_free":
			return true
		}
		return durable(s.Steps)
	})
}

// steps runs a list of steps, numbered from 1 behind the prefix.
func (r *run) steps(steps []Step, prefix string) error {
	for k := range steps {
		s := &steps[k]
		number := prefix + strconv.Itoa(k+1)
		if s.Do == "repeat" {
			if err := r.repeat(s, number); err != nil {
				return err
			}
			continue
		}
		if r.round != "" {
			s = s.at(r.round)
		}
		if r.done++; r.done > r.MaxSteps {
			return fmt.Errorf("more than %d steps; raise Runner.MaxSteps if that is meant", r.MaxSteps)
		}
		r.at, r.current = number, s
		if err := r.step(s); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) repeat(s *Step, number string) error {
	defer func(outer string) { r.round = outer }(r.round)
	for i := range s.Times {
		r.round = strconv.Itoa(i)
		if err := r.steps(s.Steps, number+"["+r.round+"]."); err != nil {
			return err
		}
	}
	return nil
}

// step runs one step and holds it to may_fail and expect_error.
func (r *run) step(s *Step) error {
	if !s.When.IsZero() {
		r.setWall(s.On, s.When)
	}
	r.partial, r.remark = false, ""
	// Bytes that are no text may be refused, or taken with marks in their place.
	mayFail := s.MayFail || s.operation() == "text.insert_bytes"
	if !mayFail && !s.ExpectError {
		if err := r.do(s); err != nil {
			return err
		}
		r.trace.add(r.at, s, r.remark)
		return nil
	}
	subject := s.On
	if subject == "" {
		subject = s.To
	}
	before, err := r.fingerprint(r.replicas[subject])
	if err != nil {
		return err
	}
	err = r.do(s)
	var broken *broken
	if errors.As(err, &broken) || errors.Is(err, errUnfit) {
		return err
	}
	if err == nil && s.ExpectError {
		return errorf("it must return an error, and returned none")
	}
	if err != nil {
		r.remark = fmt.Sprintf("error, as it may: %v", err)
		if !r.partial {
			if err := r.unchanged(subject, before, "an operation that returned an error changed the replica"); err != nil {
				return err
			}
		}
	}
	r.trace.add(r.at, s, r.remark)
	return nil
}

func errorf(format string, args ...any) error {
	return &broken{problem: fmt.Sprintf(format, args...)}
}

func (r *run) setWall(name string, t time.Time) {
	r.clocks[name] = t
	r.replicas[name].SetWall(t)
}

// do performs a step. The families of steps stand in files of their own.
func (r *run) do(s *Step) error {
	switch s.Do {
	case "clock":
		return r.doClock(s)
	case "undo":
		u, err := as[Undoer](r.replicas[s.On], CanUndo)
		if err != nil {
			return err
		}
		return u.Undo()
	case "anchor":
		return r.doAnchor(s)
	case "require":
		return r.doRequire(s)
	case "check":
		return r.expect(s.Expect)
	case "merge_orders":
		return r.mergeOrders()
	case "sync", "sync_all", "partition", "heal", "delta", "snapshot", "deliver", "deliver_corrupt",
		"deliver_version", "inject_hlc", "restart", "restore":
		return r.doTransport(s)
	case "bulk_put", "touch", "measure_sync", "sync_with_drops", "sync_stepwise", "sync_with_budget",
		"kill_during", "crash_loop", "open_again", "disk_full", "disk_free", "gc":
		return r.doEngine(s)
	case "read", "record.create", "record.delete", "resolve", "verdict", "policy.activate", "bulk_create":
		return r.doRecord(s)
	}
	return r.doEdit(s)
}

// as returns the optional interface that a claimed capability stands for.
func as[T any](v any, c Capability) (T, error) {
	t, ok := v.(T)
	if !ok {
		return t, fmt.Errorf("the world claims %s, but its %T is no %T", c, v, (*T)(nil))
	}
	return t, nil
}

func (r *run) doEdit(s *Step) error {
	replica := r.replicas[s.On]
	edits, err := s.edits(func(t Target, unit string) (int, error) { return r.length(replica, t, unit) })
	if err != nil {
		return err
	}
	for i, edit := range edits {
		change, err := replica.Edit(r.author(s), edit)
		if err != nil {
			r.partial = i > 0
			return err
		}
		r.name(s, change)
	}
	return nil
}

func (r *run) author(s *Step) Author {
	return Author{Actor: s.Actor, Role: s.Role, Seniority: s.Seniority, Intent: s.Intent, Seen: r.tokens[s.Seen]}
}

// name remembers the changes of a labelled step.
func (r *run) name(s *Step, change Change) {
	if s.Label != "" && change != "" {
		r.labels[s.Label] = append(r.labels[s.Label], change)
	}
}

// length returns how long a text or list is.
func (r *run) length(replica Replica, t Target, unit string) (int, error) {
	if m, ok := replica.(Measurer); ok {
		return m.Len(t, unit)
	}
	v, err := r.readTarget(replica, t)
	if err != nil {
		return 0, err
	}
	switch v := v.(type) {
	case nil:
		return 0, nil
	case string:
		return units(v, unit), nil
	case []any:
		return len(v), nil
	}
	return 0, fmt.Errorf("%s has no end: it reads as %T", t.Field, v)
}

// readTarget reads what an operation acts on: a text or list of the scenario's
// record, a part of its map, or a part of a record's field.
func (r *run) readTarget(replica Replica, t Target) (any, error) {
	var v any
	switch {
	case t.Record != "":
		p, err := as[PolicyReplica](replica, CanRule)
		if err != nil {
			return nil, err
		}
		view, err := p.View(t.Record)
		if err != nil {
			return nil, err
		}
		v = view[t.Field]
	case len(t.Path) > 0:
		m, err := replica.Read(KindMap, t.Field)
		if err != nil {
			return nil, err
		}
		v = m
	case r.current != nil && strings.HasPrefix(r.current.operation(), "list."):
		return replica.Read(KindList, t.Field)
	default:
		return replica.Read(KindText, t.Field)
	}
	for _, key := range t.Path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, nil
		}
		v = m[key]
	}
	return v, nil
}

func (r *run) doClock(s *Step) error {
	names := r.s.Replicas
	if s.On != "" {
		names = []string{s.On}
	}
	for _, name := range names {
		t := s.Set
		if s.Advance != nil {
			t = r.clocks[name].Add(*s.Advance)
		}
		r.setWall(name, t)
	}
	return nil
}

func (r *run) doAnchor(s *Step) error {
	a, err := as[Anchorer](r.replicas[s.On], CanAnchor)
	if err != nil {
		return err
	}
	pos := s.Pos.Index
	if s.Pos.mark != "" {
		if pos, err = r.length(a, s.target(), s.Unit); err != nil {
			return err
		}
		if s.Pos == Mid {
			pos /= 2
		}
	}
	anchor, err := a.Anchor(s.target(), pos, s.Unit, s.Bias)
	r.anchors[s.Name] = anchor
	return err
}

func (r *run) doRequire(s *Step) error {
	e := &Expect{Values: s.Wants}
	if s.On != "" {
		e.On = []string{s.On}
	}
	err := r.expect(e)
	var broken *broken
	if errors.As(err, &broken) {
		return errUnfit
	}
	return err
}

// fingerprint is everything that a scenario can see of a replica, as one text.
func (r *run) fingerprint(replica Replica) (string, error) {
	digest, err := replica.Digest()
	if err != nil {
		return "", fmt.Errorf("digest: %w", err)
	}
	text := "digest " + digest
	for _, key := range r.watched {
		v, err := r.read(replica, key)
		if err != nil {
			return "", err
		}
		text += "\n" + key.String() + " " + canonical(v)
	}
	return text, nil
}

// unchanged holds a replica against its earlier fingerprint.
func (r *run) unchanged(name, before, problem string) error {
	after, err := r.fingerprint(r.replicas[name])
	if err != nil {
		return err
	}
	if after == before {
		return nil
	}
	got, want := contrastLines(after, before)
	return &broken{problem, []Mismatch{{Replica: name, What: "digest and values", Got: got, Want: []string{want}}}}
}
