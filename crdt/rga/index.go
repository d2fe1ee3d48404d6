package rga

// index finds the leaf that holds an element of one origin: a sorted array of
// stretches of numbers whose elements lie in the same leaf, in chunks, so that
// a change moves few of them. Only the splitting of a leaf changes it.
//
// Numbers without an element, those of deletions, fall to the stretch before
// them. Neighbouring stretches have different leaves.
type index struct {
	chunks [][]stretch // none is empty
}

// stretch starts at number seq and ends where the next one starts.
type stretch struct {
	seq  uint32
	leaf int32
}

// find returns the leaf of number seq. ok is false below the first stretch.
func (x *index) find(seq uint32) (leaf int32, ok bool) {
	c, i := x.search(seq)
	if c < 0 {
		return 0, false
	}
	return x.chunks[c][i].leaf, true
}

// search returns the place of the stretch that has number seq.
func (x *index) search(seq uint32) (c, i int) {
	lo, hi := 0, len(x.chunks)
	if hi == 0 {
		return -1, 0
	}
	if last := x.chunks[hi-1]; last[0].seq <= seq {
		c = hi - 1
		if last[len(last)-1].seq <= seq { // the latest run, as while typing
			return c, len(last) - 1
		}
	} else {
		for lo < hi {
			mid := int(uint(lo+hi) >> 1)
			if x.chunks[mid][0].seq <= seq {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		c = lo - 1
		if c < 0 {
			return -1, 0
		}
	}
	chunk := x.chunks[c]
	lo, hi = 1, len(chunk)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if chunk[mid].seq <= seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return c, lo - 1
}

// add notes that elements from number seq on, above all known ones, are in
// leaf.
func (x *index) add(seq uint32, leaf int32) {
	n := len(x.chunks)
	if n == 0 {
		x.chunks = append(x.chunks, append([]stretch(nil), stretch{seq, leaf}))
		return
	}
	last := x.chunks[n-1]
	switch {
	case last[len(last)-1].leaf == leaf:
	case len(last) == chunkStretches:
		x.chunks = append(x.chunks, append(make([]stretch, 0, 32), stretch{seq, leaf}))
	default:
		x.chunks[n-1] = append(last, stretch{seq, leaf})
	}
}

// move notes that the elements with numbers from to to-1, which were in one
// leaf, are now in another. open says that there are no elements from number
// to on.
func (x *index) move(from, to uint32, open bool, leaf int32) {
	c, i := x.search(from)
	chunk := x.chunks[c]
	old := chunk[i].leaf
	if old == leaf {
		return
	}
	// rest is the number at which the old leaf's stretch goes on, if it does.
	rest := !open
	if next, ok := x.next(c, i); ok && next.seq <= to {
		rest = false
	}
	if rest {
		x.insert(c, i+1, stretch{to, old})
		c, i = x.search(from) // insert may have split the chunk
	} else if next, ok := x.next(c, i); ok && next.leaf == leaf {
		x.removeNext(c, i)
	}
	if x.chunks[c][i].seq < from {
		x.insert(c, i+1, stretch{from, leaf})
		return
	}
	if before, ok := x.prev(c, i); ok && before.leaf == leaf {
		x.remove(c, i)
		return
	}
	x.chunks[c][i].leaf = leaf
}

func (x *index) next(c, i int) (stretch, bool) {
	if i+1 < len(x.chunks[c]) {
		return x.chunks[c][i+1], true
	}
	if c+1 < len(x.chunks) {
		return x.chunks[c+1][0], true
	}
	return stretch{}, false
}

func (x *index) prev(c, i int) (stretch, bool) {
	if i > 0 {
		return x.chunks[c][i-1], true
	}
	if c > 0 {
		before := x.chunks[c-1]
		return before[len(before)-1], true
	}
	return stretch{}, false
}

func (x *index) insert(c, i int, s stretch) {
	chunk := x.chunks[c]
	if len(chunk) == chunkStretches {
		const half = chunkStretches / 2
		right := append(make([]stretch, 0, chunkStretches), chunk[half:]...)
		x.chunks = append(x.chunks, nil)
		copy(x.chunks[c+2:], x.chunks[c+1:])
		x.chunks[c+1] = right
		chunk = chunk[:half]
		x.chunks[c] = chunk
		if i > half {
			c, i, chunk = c+1, i-half, right
		}
	}
	chunk = append(chunk, stretch{})
	copy(chunk[i+1:], chunk[i:])
	chunk[i] = s
	x.chunks[c] = chunk
}

func (x *index) remove(c, i int) {
	chunk := x.chunks[c]
	if len(chunk) == 1 {
		x.chunks = append(x.chunks[:c], x.chunks[c+1:]...)
		return
	}
	x.chunks[c] = append(chunk[:i], chunk[i+1:]...)
}

func (x *index) removeNext(c, i int) {
	if i+1 < len(x.chunks[c]) {
		x.remove(c, i+1)
		return
	}
	x.remove(c+1, 0)
}

// memory returns the bytes held.
func (x *index) memory() int {
	n := 24 * cap(x.chunks)
	for _, c := range x.chunks {
		n += 8 * cap(c)
	}
	return n
}
