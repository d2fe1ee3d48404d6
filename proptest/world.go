package proptest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// world is the replicas of one type while a history is played.
type world[S, D any] struct {
	t        *Type[S, D]
	replicas []*Replica
	states   []S
	has      []uint64 // the operations that each took in, as bits
	events   []Event
	deltas   map[int]D
	wire     map[int][]byte // as it was encoded when it was made
	done     map[string]int // operations that changed something, by name
	refusal  map[string]error
	refused  bool // the last operation

	// without lists the kinds of steps that are left out.
	without []stepKind
	// raw hands deltas over as they are, without their encoding.
	raw bool
	// told, when not nil, is given a line for each thing that happens.
	told *[]string
}

// newWorld makes a world with n replicas, and a few more for laws to bring
// states together in.
func newWorld[S, D any](t *Type[S, D], n int) *world[S, D] {
	w := &world[S, D]{t: t, deltas: map[int]D{}, wire: map[int][]byte{}, done: map[string]int{}, refusal: map[string]error{}}
	for i := range n + 3 {
		r := newReplica(i)
		if i >= n {
			r.Name = []string{"X", "Y", "Z"}[i-n]
		}
		w.replicas = append(w.replicas, r)
		w.states = append(w.states, t.New(r))
		w.has = append(w.has, 0)
	}
	return w
}

// play makes a world and takes it through the first steps of a history.
func play[S, D any](t *Type[S, D], h *history, upTo int) (*world[S, D], error) {
	w := newWorld(t, h.replicas)
	for i := range h.steps[:upTo] {
		if err := w.do(&h.steps[i]); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *world[S, D]) tell(on int, format string, args ...any) {
	if w.told == nil {
		return
	}
	line := fmt.Sprintf("%s  %s", w.replicas[on].Name, fmt.Sprintf(format, args...))
	if w.t.View != nil {
		line = fmt.Sprintf("%-42s  shows %s", line, w.view(on))
	}
	*w.told = append(*w.told, line)
}

// say adds a line that is nobody's doing.
func (w *world[S, D]) say(format string, args ...any) {
	if w.told != nil {
		*w.told = append(*w.told, fmt.Sprintf(format, args...))
	}
}

func (w *world[S, D]) view(on int) string { return render(w.t.View(w.states[on])) }

// do takes one step. A step that has nothing to act on does nothing.
func (w *world[S, D]) do(s *step) error {
	if slices.Contains(w.without, s.kind) {
		return nil
	}
	switch s.kind {
	case operate:
		return w.operate(s)
	case deliver:
		for _, id := range s.what {
			if err := w.give(s.on, id); err != nil {
				return err
			}
		}
	case join:
		return w.join(s.on, w, s.from)
	case tick:
		w.move(s)
	case restart:
		return w.restart(s.on)
	case compact:
		w.t.Compact(&w.states[s.on])
		w.tell(s.on, "is compacted")
	}
	return nil
}

func (w *world[S, D]) move(s *step) {
	if s.on < 0 {
		for _, r := range w.replicas {
			r.wall = r.wall.Add(s.moved)
		}
		w.say("all clocks move by %v", s.moved)
		return
	}
	// Within minutes of the others: a clock that is further ahead is for the
	// replica to judge, not for the type.
	r := w.replicas[s.on]
	moved := r.wall.Add(s.moved)
	for _, o := range w.replicas {
		if d := moved.Sub(o.wall); d > 4*time.Minute || d < -4*time.Minute {
			return
		}
	}
	r.wall = moved
	w.say("%s  its clock moves by %v", r.Name, s.moved)
}

func (w *world[S, D]) operate(s *step) error {
	op := &w.t.Operations[s.op]
	c := &Call{Replica: w.replicas[s.on], draws: s.draws}
	d, err := op.Do(&w.states[s.on], c)
	w.refused = err != nil
	if err != nil {
		w.refusal[op.Name] = err
		w.tell(s.on, "%s: refused, %v", describe(op.Name, c.args), err)
		return nil
	}
	if w.t.JoinDelta != nil && isNil(d) {
		w.tell(s.on, "%s: changes nothing", describe(op.Name, c.args))
		return nil
	}
	w.done[op.Name]++
	e := Event{Replica: c.Name, At: c.wall, Op: op.Name, Args: c.args, Note: c.note, id: s.id, number: len(w.events) + 1, saw: w.shown(s.on)}
	w.events = append(w.events, e)
	w.has[s.on] |= 1 << s.id
	w.deltas[s.id] = d
	if w.t.EncodeDelta != nil {
		w.wire[s.id] = bytes.Clone(w.t.EncodeDelta(d))
	}
	w.tell(s.on, "%s   (change %d)", describe(op.Name, c.args), e.number)
	return nil
}

// event finds the event of an operation; false if it changed nothing.
func (w *world[S, D]) event(id int) (Event, bool) {
	i := slices.IndexFunc(w.events, func(e Event) bool { return e.id == id })
	if i < 0 {
		return Event{}, false
	}
	return w.events[i], true
}

// delta is what travels of an event.
func (w *world[S, D]) delta(id int) (D, error) {
	if w.t.DecodeDelta == nil || w.raw {
		return w.deltas[id], nil
	}
	d, err := w.t.DecodeDelta(bytes.Clone(w.wire[id]))
	if err != nil {
		return d, &fault{problem: fmt.Sprintf("its own delta does not decode: %v", err)}
	}
	return d, nil
}

// give hands a delta to a replica, unless the type asks for causes first and
// some are not there.
func (w *world[S, D]) give(to, id int) error {
	e, ok := w.event(id)
	if !ok || w.t.JoinDelta == nil || (w.t.Causal && e.saw&^w.has[to] != 0) {
		return nil
	}
	d, err := w.delta(id)
	if err != nil {
		return err
	}
	again := ""
	if w.has[to]&(1<<id) != 0 {
		again = " again"
	}
	if err := w.t.JoinDelta(&w.states[to], d); err != nil {
		w.tell(to, "gets change %d of %s%s, and refuses it", e.number, e.Replica, again)
		return &fault{problem: fmt.Sprintf("%s refuses change %d of %s: %v", w.replicas[to].Name, e.number, e.Replica, err)}
	}
	w.has[to] |= 1 << id
	w.tell(to, "gets change %d of %s%s", e.number, e.Replica, again)
	return nil
}

// join lets a replica take over a state, of this world or of a twin.
func (w *world[S, D]) join(to int, o *world[S, D], from int) error {
	if w.t.Join == nil {
		return nil
	}
	if err := w.t.Join(&w.states[to], o.states[from]); err != nil {
		w.tell(to, "joins the state of %s, and refuses it", w.replicas[from].Name)
		return &fault{problem: fmt.Sprintf("%s refuses the state of %s: %v", w.replicas[to].Name, w.replicas[from].Name, err)}
	}
	w.has[to] |= o.has[from]
	if w == o {
		w.tell(to, "joins the state of %s", w.replicas[from].Name)
	}
	return nil
}

func (w *world[S, D]) restart(on int) error {
	s, err := w.t.Decode(w.replicas[on], bytes.Clone(w.t.Encode(w.states[on])))
	if err != nil {
		return &fault{problem: fmt.Sprintf("%s does not decode its own state: %v", w.replicas[on].Name, err)}
	}
	w.states[on] = s
	w.tell(on, "is encoded and decoded")
	return nil
}

// settle gives every delta that is missing to some replicas, each in an order of
// its own, or lets them join all states where there are no deltas.
func (w *world[S, D]) settle(replicas []int, orders func(to int) []int) error {
	for _, to := range replicas {
		if w.t.JoinDelta == nil {
			for _, from := range replicas {
				if from != to {
					if err := w.join(to, w, from); err != nil {
						return err
					}
				}
			}
			continue
		}
		missing := slices.DeleteFunc(orders(to), func(id int) bool { return w.has[to]&(1<<id) != 0 })
		if err := w.giveAll(to, missing); err != nil {
			return err
		}
	}
	if w.t.JoinDelta == nil { // the first have not seen what the last brought
		for _, to := range replicas {
			if err := w.join(to, w, replicas[len(replicas)-1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// giveAll hands over deltas in an order, again and again if the type asks for
// causes first.
func (w *world[S, D]) giveAll(to int, ids []int) error {
	for again := true; again; {
		again = false
		for _, id := range ids {
			if w.has[to]&(1<<id) != 0 {
				continue
			}
			if err := w.give(to, id); err != nil {
				return err
			}
			again = again || w.has[to]&(1<<id) != 0
		}
		again = again && w.t.Causal
	}
	return nil
}

// all are the ids of all events, in the order in which they happened.
func (w *world[S, D]) all() []int {
	ids := make([]int, len(w.events))
	for i, e := range w.events {
		ids[i] = e.id
	}
	return ids
}

// shown are the events that show in a state.
func (w *world[S, D]) shown(on int) uint64 {
	if !w.t.Waits {
		return w.has[on]
	}
	var closed uint64
	for _, e := range w.events {
		if bit := uint64(1) << e.id; w.has[on]&bit != 0 && e.saw&^closed == 0 {
			closed |= bit
		}
	}
	return closed
}

// seen lists the events that show in a state, in the order in which they
// happened, and whether all that they saw is among them.
func (w *world[S, D]) seen(on int) (events []Event, closed bool) {
	shown := w.shown(on)
	closed = true
	for _, e := range w.events {
		if shown&(1<<e.id) != 0 {
			events = append(events, e)
			closed = closed && e.saw&^shown == 0
		}
	}
	return events, closed
}

// print is all that can be seen of a replica without altering it.
func (w *world[S, D]) print(on int) string {
	var b strings.Builder
	if w.t.View != nil {
		b.WriteString(w.view(on))
	}
	if w.t.Encode != nil {
		b.WriteString(", encoded " + renderBytes(w.t.Encode(w.states[on])))
	}
	return b.String()
}

// equal compares two states, apart from whose they are.
func (w *world[S, D]) equal(a, b S) bool {
	switch {
	case w.t.Equal != nil:
		return w.t.Equal(a, b)
	case w.t.Encode != nil:
		return bytes.Equal(w.t.Encode(a), w.t.Encode(b))
	}
	return render(w.t.View(a)) == render(w.t.View(b))
}
