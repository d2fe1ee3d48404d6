package rga

// targets is the set of elements that some deletion names, as disjoint ranges
// in the order of their keys.
type targets []keyRange

// keyRange has the elements from first to behind-1, of one origin.
type keyRange struct{ first, behind key }

// targets returns the elements that were deleted. O(d log d) for d runs of
// deletions.
func (s *sequence) targets() targets {
	n := 0
	for _, o := range s.origins {
		n += len(o.log)
	}
	all := make(targets, 0, n)
	for _, o := range s.origins {
		for i := range o.log {
			r := &o.log[i]
			all = append(all, keyRange{r.target, r.target + key(r.size())})
		}
	}
	return all.normal()
}

// normal sorts ranges and joins those that overlap or touch.
func (t targets) normal() targets {
	order := make([]keyed, len(t))
	for i, r := range t {
		order[i] = keyed{r.first, int32(i)}
	}
	sortByKey(order)
	joined := make(targets, 0, len(t))
	for _, e := range order {
		r := t[e.at]
		if n := len(joined); n > 0 && r.first <= joined[n-1].behind {
			joined[n-1].behind = max(joined[n-1].behind, r.behind)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// search returns the index of the first range that ends behind k.
func (t targets) search(k key) int {
	lo, hi := 0, len(t)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if t[mid].behind <= k {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// at reports whether element k is in the set, and how many of the n elements
// from it on are alike.
func (t targets) at(k key, n uint32) (is bool, size uint32) {
	i := t.search(k)
	switch end := k + key(n); {
	case i == len(t) || t[i].first >= end:
		return false, n
	case t[i].first > k:
		return false, uint32(t[i].first - k)
	default:
		return true, uint32(min(t[i].behind, end) - k)
	}
}
