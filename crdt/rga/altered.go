package rga

// Altered tells how far apart two pasts of a text are: how many characters
// there are in the first, how many of these the second does not show, and how many
// it shows beside them. Both count as in [Text.Where], and the second has all that
// the first has.
//
// O((spans + deletions) · log), and the calls of before and after.
func (t *Text) Altered(before, after Counts) (length, deleted, inserted int) {
	return t.altered(before, after)
}

// Altered is [Text.Altered] for the elements of a list.
func (l *List) Altered(before, after Counts) (length, deleted, inserted int) {
	return l.altered(before, after)
}

func (s *sequence) altered(before, after Counts) (length, deleted, inserted int) {
	var shown targets
	for k, n := range s.where(after) {
		shown = append(shown, keyRange{k, k + key(n)})
		inserted += int(n)
	}
	shown = shown.normal()
	for k, n := range s.where(before) {
		length += int(n)
		for n > 0 {
			is, alike := shown.at(k, n)
			if is {
				inserted -= int(alike)
			} else {
				deleted += int(alike)
			}
			k += key(alike)
			n -= alike
		}
	}
	return length, deleted, inserted
}
