package merge

import (
	"strconv"
	"strings"
	"time"

	"github.com/concord-crdt/concord/crdt"
	"go.yaml.in/yaml/v3"
)

// The names of the policies of deletion.
var deleteNames = []string{crdt.DeleteWins: "delete-wins", crdt.UpdateWins: "update-wins"}

// YAML writes the policy as a file, in one form: names of collections, fields,
// windows and references in order, defaults left out. [ParsePolicy] gives back
// the same policy. What a policy with errors says that a file cannot is lost.
func (p *Policy) YAML() []byte {
	if p == nil {
		p = &Policy{}
	}
	m := mapping(false)
	m.text("policy", p.Name)
	if p.Version > 0 {
		m.put("version", plain(strconv.FormatUint(p.Version, 10)))
	}
	m.list("roles", p.Roles)
	m.list("activate", p.Activate)
	windows := mapping(false)
	for _, name := range sortedNames(p.Windows) {
		l := sequence(true)
		for _, in := range p.Windows[name] {
			x := mapping(true)
			x.put("from", plain(formatTime(in.From)))
			x.put("to", plain(formatTime(in.To)))
			l.Content = append(l.Content, x.Node)
		}
		windows.put(name, l)
	}
	m.section("windows", windows)
	collections := mapping(false)
	for _, name := range sortedNames(p.Collections) {
		c := p.Collections[name]
		collections.put(name, c.node())
	}
	m.section("collections", collections)
	if len(m.Content) == 0 {
		return []byte("{}\n")
	}
	var b strings.Builder
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	// Neither can fail: the nodes are of our making, the writer is memory.
	_ = e.Encode(m.Node)
	_ = e.Close()
	return []byte(b.String())
}

func (c *Collection) node() *yaml.Node {
	m := mapping(false)
	if c.Priority != Normal {
		m.text("priority", c.Priority.String())
	}
	m.text("partition", c.Partition)
	if c.Offline != OfflineWrite {
		m.text("offline", c.Offline.String())
	}
	if c.Parent.Required {
		parent := mapping(true)
		parent.text("collection", c.Parent.Collection)
		parent.put("required", plain("true"))
		m.section("parent", parent)
	} else {
		m.text("parent", c.Parent.Collection)
	}
	if int(c.Delete) < len(deleteNames) && c.Delete != crdt.DeleteWins {
		m.text("delete", deleteNames[c.Delete])
	}
	m.duration("staleness", c.Staleness)
	refs := mapping(false)
	for _, name := range sortedNames(c.Refs) {
		r := mapping(true)
		r.text("collection", c.Refs[name].Collection)
		if at := c.Refs[name].At; at != AtWrite {
			r.text("at", at.String())
		}
		refs.put(name, r.Node)
	}
	m.section("refs", refs)
	fields := mapping(false)
	for _, name := range sortedNames(c.Fields) {
		r := c.Fields[name]
		fields.put(name, r.node())
	}
	m.section("fields", fields)
	if len(c.Constraints) > 0 {
		l := sequence(false)
		for _, k := range c.Constraints {
			x := mapping(false)
			x.text("name", k.Name)
			x.text("must", k.Must)
			x.list("approve", k.Approve)
			l.Content = append(l.Content, x.Node)
		}
		m.put("constraints", l)
	}
	detect := mapping(false)
	detect.duration("near", c.Detect.Near)
	detect.text("immediate", c.Detect.Immediate)
	detect.text("deferred", c.Detect.Deferred)
	m.section("detect", detect)
	return m.flowIfEmpty()
}

func (r *FieldRule) node() *yaml.Node {
	m := mapping(false)
	if r.Type != crdt.TypeElement {
		m.text("type", r.Type.String())
	}
	switch {
	case len(r.Members) > 0:
		of := mapping(true)
		for _, name := range sortedNames(r.Members) {
			of.text(name, r.Members[name].String())
		}
		m.section("of", of)
	case r.Below != 0:
		m.text("of", r.Below.String())
	case r.Of != Any:
		m.text("of", r.Of.String())
	}
	for _, bound := range []struct {
		key string
		at  *int64
	}{{"min", r.Min}, {"max", r.Max}} {
		if bound.at != nil {
			m.put(bound.key, plain(strconv.FormatInt(*bound.at, 10)))
		}
	}
	if r.Consistency != ConsistencyUnsaid {
		m.text("consistency", r.Consistency.String())
	}
	m.list("write", r.Write)
	m.list("recount", r.Recount)
	if len(r.Resolve) > 0 {
		l := sequence(true)
		for _, s := range r.Resolve {
			l.Content = append(l.Content, s.node())
		}
		m.put("resolve", l)
	}
	if r.Sticky {
		m.put("sticky", plain("true"))
	}
	if r.Quantity != QuantityUnsaid {
		m.put("quantity", plain(strconv.FormatBool(r.Quantity == IsQuantity)))
	}
	if r.Review > 0 {
		review := mapping(true)
		review.put("from", plain(strconv.FormatUint(uint64(r.Review), 10)))
		m.section("review", review)
	}
	intent := mapping(true)
	intent.list("key", r.Intent.Key)
	intent.duration("window", r.Intent.Window)
	intent.list("conflict", r.Intent.Conflict)
	m.section("intent", intent)
	return m.flowIfEmpty()
}

func (s Step) node() *yaml.Node {
	m := mapping(true)
	switch s.Do {
	case StepAuthority, StepApprove:
		m.list(s.Do.String(), s.Roles)
	case StepWindow:
		m.text("window", s.Window)
		m.list("authority", s.Roles)
	case StepRequire, StepRank:
		m.text(s.Do.String(), s.Expr)
	case StepGo:
		m.text("go", s.function())
	default:
		return scalar(s.Do.String())
	}
	return m.Node
}

// nodeMap is a mapping that is being written.
type nodeMap struct{ *yaml.Node }

func mapping(flow bool) nodeMap {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if flow {
		n.Style = yaml.FlowStyle
	}
	return nodeMap{n}
}

func sequence(flow bool) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	if flow {
		n.Style = yaml.FlowStyle
	}
	return n
}

// plain is a number, a boolean or a time.
func plain(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

// scalar is a string, quoted where it would be read as something else.
func scalar(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	if n.Style == yaml.LiteralStyle {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func (m nodeMap) put(key string, v *yaml.Node) { m.Content = append(m.Content, scalar(key), v) }

func (m nodeMap) text(key, s string) {
	if s != "" {
		m.put(key, scalar(s))
	}
}

func (m nodeMap) list(key string, names []string) {
	if len(names) == 0 {
		return
	}
	l := sequence(true)
	for _, n := range names {
		l.Content = append(l.Content, scalar(n))
	}
	m.put(key, l)
}

func (m nodeMap) duration(key string, d time.Duration) {
	if d != 0 {
		m.put(key, scalar(formatDuration(d)))
	}
}

// section puts a mapping, if there is anything in it.
func (m nodeMap) section(key string, in nodeMap) {
	if len(in.Content) > 0 {
		m.put(key, in.Node)
	}
}

// flowIfEmpty writes an empty mapping as {}.
func (m nodeMap) flowIfEmpty() *yaml.Node {
	if len(m.Content) == 0 {
		m.Style = yaml.FlowStyle
	}
	return m.Node
}

// formatTime writes a time as a policy file has it.
func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// formatDuration leaves out the parts that are zero: 15m, not 15m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
