package rga

// deleteLog holds the deletions of one origin in the order of their numbers,
// in runs: that of each deletion there is one target, which no other record
// says.
//
// Runs are as long as can be, taken from the front, so the log is a function
// of the deletions whatever pieces they came in.
type deleteLog []deleteRun

// deleteRun deletes elements target to target+n-1 with numbers seq to seq+n-1:
// the lowest first, or if reverse the highest.
type deleteRun struct {
	seq    uint32
	n      uint32 // the top bit is set if the run is reverse
	target key
}

const reverseBit = 1 << 31

func (r *deleteRun) size() uint32  { return r.n &^ reverseBit }
func (r *deleteRun) reverse() bool { return r.n&reverseBit != 0 }

// first returns the element that the run deletes first.
func (r *deleteRun) first() key {
	if r.reverse() {
		return r.target + key(r.size()) - 1
	}
	return r.target
}

// add appends a run. Its numbers are above all in the log, and a run of one
// is not reverse.
func (d *deleteLog) add(r deleteRun) {
	if n := len(*d); n > 0 {
		last := &(*d)[n-1]
		if last.seq+last.size() == r.seq {
			switch took := last.take(&r); {
			case took == r.size():
				return
			case took > 0:
				r = r.suffix(took)
			}
		}
	}
	*d = append(*d, r)
}

// take lengthens the run by as much of the next one as fits, and returns how
// many deletions that was: all, the first, or none.
func (r *deleteRun) take(next *deleteRun) uint32 {
	n, first := r.size(), next.first()
	reverse := false
	switch {
	case !r.reverse() && first == r.target+key(n):
	case (r.reverse() || n == 1) && first == r.target-1:
		reverse = true
	default:
		return 0
	}
	took := uint32(1)
	if next.size() == 1 || next.reverse() == reverse {
		took = next.size()
	}
	r.n = n + took
	if reverse {
		r.target -= key(took)
		r.n |= reverseBit
	}
	return took
}

// suffix returns the run without its first k deletions, of more than k.
func (r deleteRun) suffix(k uint32) deleteRun {
	n := r.size() - k
	reverse := r.reverse() && n > 1
	if !r.reverse() {
		r.target += key(k)
	}
	r.seq += k
	r.n = n
	if reverse {
		r.n |= reverseBit
	}
	return r
}

// prefix returns the first k deletions of the run, of at least k.
func (r deleteRun) prefix(k uint32) deleteRun {
	if r.reverse() {
		r.target += key(r.size() - k)
	}
	reverse := r.reverse() && k > 1
	r.n = k
	if reverse {
		r.n |= reverseBit
	}
	return r
}

// search returns the index of the first run that ends behind number seq.
func (d deleteLog) search(seq uint32) int {
	lo, hi := 0, len(d)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if d[mid].seq+d[mid].size() <= seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// endOfRunAt returns the number behind the deletions that start at number seq,
// or seq if there is none.
func (d deleteLog) endOfRunAt(seq uint32) uint32 {
	for i := d.search(seq); i < len(d) && d[i].seq == seq; i++ {
		seq += d[i].size()
	}
	return seq
}

// overlaps reports whether one of the numbers from from to to-1 is that of a
// deletion.
func (d deleteLog) overlaps(from, to uint32) bool {
	i := d.search(from)
	return i < len(d) && d[i].seq < to
}
