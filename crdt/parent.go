package crdt

// AsParent is what the birth of a child says of this record, which lies under
// key (collection/key): the births that are live, or only the key if there is
// none. O(births).
func (r *Record) AsParent(key string, policy DeletePolicy) Birth {
	return Birth{ParentKey: key, ParentBirths: newRefs(&r.State, r.live(policy))}
}

// Under says under which parent the record comes into existence, if the change
// turns out to be its birth. A parent is fixed at birth.
func (e *RecordEditor) Under(b Birth) {
	if e.part.Birth != nil {
		e.part.Birth = &b
	}
}
