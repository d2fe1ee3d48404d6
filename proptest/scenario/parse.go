package scenario

import (
	"fmt"
	"slices"
	"strconv"
)

// Parse reads a scenario file. Name stands in front of every fault; all faults
// are returned, joined, each a *[Fault].
//
// Memory and time are linear in len(data); nesting is bounded.
func Parse(name string, data []byte) (*File, error) {
	root, err := parseNodes(data)
	if err != nil {
		return nil, &Fault{File: name, Problem: err.Error()}
	}
	p := &parser{file: name, data: data}
	f := &File{}
	ids := map[string]bool{}
	p.object(root, "the file", map[string]func(*node){
		"group": func(n *node) { f.Group = aName.read(p, "group", n) },
		"about": func(n *node) { f.About = aText.read(p, "about", n) },
		"scenarios": func(n *node) {
			if n.kind != nodeList {
				p.want(n, "scenarios", "a list")
			}
			for i, kid := range n.kids {
				s := p.readScenario(i, kid)
				if ids[s.ID] {
					p.fault(kid, "give it an id of its own", "two scenarios have the id %q", s.ID)
				}
				ids[s.ID] = true
				f.Scenarios = append(f.Scenarios, s)
				p.scenario, p.step = "", ""
			}
		},
	}, "group", "scenarios")
	if err := p.err(); err != nil {
		return nil, err
	}
	return f, nil
}

func (p *parser) readScenario(i int, n *node) *Scenario {
	s := &Scenario{}
	p.scenario, p.step = fmt.Sprintf("scenario %d", i+1), ""
	if id := n.member("id"); id != nil && id.kind == nodeString && id.text != "" {
		p.scenario = id.text
	}
	p.replicas = nil
	if names := n.member("replicas"); names != nil {
		s.Replicas = listOf(aName, 1).read(p, "replicas", names)
		p.replicas = s.Replicas
		if len(s.Replicas) > maxReplicas {
			p.fault(names, "", "%d replicas are more than %d", len(s.Replicas), maxReplicas)
			p.replicas = s.Replicas[:maxReplicas]
		}
		if len(slices.Compact(slices.Sorted(slices.Values(s.Replicas)))) != len(s.Replicas) {
			p.fault(names, "name each once", "a replica is named twice")
		}
	}
	p.object(n, "the scenario", map[string]func(*node){
		"id":               func(n *node) { s.ID = aName.read(p, "id", n) },
		"level":            func(n *node) { s.Level = readLevel(p, n) },
		"title":            func(n *node) { s.Title = aName.read(p, "title", n) },
		"source":           func(n *node) { s.Source = aText.read(p, "source", n) },
		"replicas":         func(*node) {}, // read above: everything below names them
		"permute_ids":      func(n *node) { s.PermuteIDs = aFlag.read(p, "permute_ids", n) },
		"needs":            func(n *node) { s.Needs = readNeeds(p, n) },
		"policy":           func(n *node) { s.Policy = aPolicy.read(p, "policy", n) },
		"budget":           func(n *node) { s.Budget = readBudget(p, n) },
		"framework_expect": func(n *node) { s.FrameworkExpect = aText.read(p, "framework_expect", n) },
		"note":             func(n *node) { s.Note = aText.read(p, "note", n) },
		"steps":            func(n *node) { s.Steps = p.readSteps(n, "") },
		"expect": func(n *node) {
			p.step = "expect"
			s.Expect = *anExpectation.read(p, "expect", n)
			p.step = ""
		},
	}, "id", "level", "title", "replicas", "steps", "expect")
	checkNames(p, s)
	return s
}

func readLevel(p *parser, n *node) Level {
	return Level(oneWord(string(Must), string(Should)).read(p, "level", n))
}

func readNeeds(p *parser, n *node) []Capability {
	words := make([]string, len(named))
	for i, c := range named {
		words[i] = string(c)
	}
	var needs []Capability
	for _, s := range listOf(oneWord(words...), 0).read(p, "needs", n) {
		needs = append(needs, Capability(s))
	}
	return needs
}

func readBudget(p *parser, n *node) *Budget {
	b := &Budget{}
	members := map[string]func(*node){
		"level": func(n *node) { b.Level = readLevel(p, n) },
		"bytes_max_fraction_of_full": func(n *node) {
			f, err := strconv.ParseFloat(n.text, 64)
			if n.kind != nodeNumber || err != nil || !(f > 0) {
				p.want(n, "bytes_max_fraction_of_full", "a number above zero")
			}
			b.BytesMaxFractionOfFull = f
		},
	}
	for _, m := range b.counts() {
		members[m.key] = func(n *node) {
			i, err := strconv.ParseInt(n.text, 10, 64)
			if n.kind != nodeNumber || err != nil || i <= 0 {
				p.want(n, m.key, "an integer above zero")
			}
			*m.max = i
		}
	}
	p.object(n, "budget", members)
	return b
}

// counts are the budget's whole numbers, in canonical order.
func (b *Budget) counts() []struct {
	key string
	max *int64
} {
	return []struct {
		key string
		max *int64
	}{
		{"state_bytes_max", &b.StateBytesMax},
		{"state_bytes_max_after_compression", &b.StateBytesMaxAfterCompression},
		{"wall_ms_max", &b.WallMillisMax},
		{"round_trips_max", &b.RoundTripsMax},
		{"changes_max", &b.ChangesMax},
	}
}

// nestedSteps are the steps of a repeat, innerStep is the one of a loop.
var (
	nestedSteps = form[[]Step]{
		read:  func(p *parser, _ string, n *node) []Step { return p.readSteps(n, p.step+".") },
		write: appendSteps,
		given: func(steps []Step) bool { return steps != nil },
	}
	innerStep = form[*Step]{
		read: func(p *parser, _ string, n *node) *Step {
			s := p.readStep(n, true)
			if sp, ok := specs[s.Do]; ok && !sp.edit {
				p.fault(n, "use one of "+fmt.Sprint(edits()), "op is %s, which edits nothing", s.Do)
			}
			return &s
		},
		write: func(dst []byte, s *Step) []byte { return appendStep(dst, s) },
		given: func(s *Step) bool { return s != nil },
	}
)

// maxNesting bounds repeats inside repeats.
const maxNesting = 8

// readSteps reads a list of steps, numbered from 1 behind the prefix. A list
// that is there is never nil.
func (p *parser) readSteps(n *node, prefix string) []Step {
	if n.kind != nodeList {
		p.want(n, "steps", "a list")
		return []Step{}
	}
	if p.repeats++; p.repeats > maxNesting {
		p.fault(n, "", "steps are nested deeper than %d levels", maxNesting)
		return []Step{}
	}
	defer func(step string) { p.step, p.repeats = step, p.repeats-1 }(p.step)
	steps := make([]Step, 0, len(n.kids))
	for i, kid := range n.kids {
		p.step = prefix + strconv.Itoa(i+1)
		steps = append(steps, p.readStep(kid, false))
	}
	return steps
}

// readStep reads one step. Inside a loop it acts where the loop does.
func (p *parser) readStep(n *node, inside bool) Step {
	var s Step
	if n.kind != nodeObject {
		p.want(n, "a step", "an object")
		return s
	}
	do := n.member("do")
	if do == nil {
		p.fault(n, `add "do" with the name of the step`, "the step has no name")
		return s
	}
	s.Do = aName.read(p, "do", do)
	sp, ok := specs[s.Do]
	if !ok {
		p.fault(do, nearest(s.Do, sortedKeys(specs)), "unknown step %q", s.Do)
		return s
	}
	if sp.inner {
		p.fault(do, "write it as the op of a record.edit", "%s stands alone", s.Do)
		return s
	}
	if op := n.member("op"); s.Do == "record.edit" && op != nil {
		s.Op = op.text
		if _, ok := innerOf(s.Op); !ok {
			p.fault(op, nearest(s.Op, edits()), "unknown operation %q", s.Op)
			return s
		}
	}
	params := sp.params(&s)
	for i, key := range n.keys {
		if key == "do" {
			continue
		}
		at := slices.IndexFunc(params, func(q param) bool { return q.key == key })
		if at < 0 {
			p.fault(n.kids[i], nearest(key, keysOf(params)), "%s has no parameter %q", s.what(), key)
			continue
		}
		params[at].read(p, n.kids[i], &s)
	}
	p.checkParams(sp, n, &s, inside)
	return s
}

// what names a step in messages.
func (s *Step) what() string {
	if s.Do == "record.edit" {
		return s.Do + " " + s.Op
	}
	return s.Do
}

// checkParams reports what is missing, what excludes each other, and what only
// some values of another parameter allow.
func (p *parser) checkParams(sp *spec, n *node, s *Step, inside bool) {
	must, one := sp.must, sp.one
	if s.Do == "record.edit" {
		inner, _ := innerOf(s.Op)
		must, one = slices.Concat(must, inner.must), inner.one
	}
	if sp.on == onOne && !inside && n.member(pOn.key) == nil {
		p.fault(n, "name the replica that acts", "%s lacks %q", s.what(), pOn.key)
	}
	for _, q := range must {
		if n.member(q.key) == nil {
			p.fault(n, "", "%s lacks %q", s.what(), q.key)
		}
	}
	given := 0
	for _, q := range one {
		if n.member(q.key) != nil {
			given++
		}
	}
	if len(one) > 0 && given != 1 {
		p.fault(n, "give exactly one of them", "%s has %d of %v", s.what(), given, keysOf(one))
	}
	if s.MayFail && s.ExpectError {
		p.fault(n, "keep one of them", "may_fail and expect_error exclude each other")
	}
	switch {
	case s.Do == "field.create" || s.Op == "field.create":
		if (s.Type == "counter") != (s.By != nil) {
			p.fault(n, `a counter takes "by", a text takes "text"`, "a field of type %s has the wrong content", s.Type)
		}
	case s.Do == "deliver_corrupt" && s.Flips == "" && s.Truncate == "":
		p.fault(n, `add "flips": "each bit" or "truncate": "each length"`, "nothing is corrupted")
	case s.Do == "check" && s.Expect != nil && s.Expect.empty():
		p.fault(n, "say what must hold", "the check expects nothing")
	case s.Do == "partition":
		seen := map[string]bool{}
		for _, name := range slices.Concat(s.Groups...) {
			if seen[name] {
				p.fault(n, "put it into one of them", "%s is in two groups", name)
			}
			seen[name] = true
		}
	}
}

// Validate reports what Parse would report of the scenario's file form. Lines
// are those of that form.
func (s *Scenario) Validate() error {
	_, err := Format(&File{Group: "scenario", Scenarios: []*Scenario{s}})
	return err
}
