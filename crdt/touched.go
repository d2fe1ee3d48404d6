package crdt

// Touched lists the fields of the record that the change has written to so far,
// in the order of the first write. O(fields).
func (e *Editor) Touched() []Key {
	keys := make([]Key, len(e.patch.Kids))
	for i, kid := range e.patch.Kids {
		keys[i] = kid.Key
	}
	return keys
}

// HeadRefs are the record's heads, as a change of another record names them.
func (r *Record) HeadRefs() []Ref { return newRefs(&r.State, r.heads) }
