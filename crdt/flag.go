package crdt

// FlagField writes a flag of a record: on or off, off at first.
//
// Switching on and off at the same time: an enable-wins flag is on, a
// disable-wins flag is off. The second keeps an entry for what switched it off.
//
// Enable and Disable are O(concurrent switches), Enabled too.
//
// Errors are the first one of the change.
//
// Comes from an [Editor] or a [MapField], and is of use until its change ends.
// Not safe for concurrent use.
//
// Source: Shapiro et al., INRIA RR-7506, 2011; Riak's flags.
type FlagField struct{ at place }

func (f FlagField) disableWins() bool { return f.at.path[len(f.at.path)-1].Type == TypeDisableFlag }

// Enable switches on. It is a change even if the flag is on: it survives being
// switched off at the same time, where enabling wins.
func (f FlagField) Enable() error {
	n, p, err := f.at.open()
	if err != nil {
		return err
	}
	f.at.ed.supersede(n, p, nil)
	value := []byte(nil)
	if f.disableWins() {
		value = marksAddition
	}
	f.at.ed.add(n, p, value)
	return nil
}

// Disable switches off, as far as the actor saw the flag on. A flag that was
// never switched is off: disabling it changes nothing, and an Enable at the same
// time stands.
func (f FlagField) Disable() error {
	if n := f.at.look(); n == nil || len(n.entries) == 0 {
		return f.at.ed.err
	}
	n, p, err := f.at.open()
	if err != nil {
		return err
	}
	f.at.ed.supersede(n, p, nil)
	if f.disableWins() {
		f.at.ed.add(n, p, marksRemoval)
	}
	return nil
}

// Enabled reports whether the flag is on now, whatever the actor saw.
func (f FlagField) Enabled() bool {
	n := f.at.look()
	return n != nil && holds(n.entries)
}

// Enabled reports whether a flag is on.
func (f Field) Enabled() bool { return f.node != nil && holds(f.entries(f.node)) }
