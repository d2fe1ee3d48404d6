package crdt

import "iter"

// references are the changes of the record that a part names.
func (p *Part) references() [5][]Ref {
	refs := [5][]Ref{p.Heads, p.Births, p.Saw, p.Restore}
	if p.Delete != nil {
		refs[4] = p.Delete.Births
	}
	return refs
}

// Named yields the changes of the record that the part names: as heads, births,
// superseded, deleted or restored. One may come more than once.
func (p *Part) Named() iter.Seq[Ref] {
	return func(yield func(Ref) bool) {
		for _, refs := range p.references() {
			for _, ref := range refs {
				if !yield(ref) {
					return
				}
			}
		}
	}
}
