package rga

import (
	"cmp"
	"math/bits"
	"slices"
)

// keyed is something with a key: its place in an array.
type keyed struct {
	key key
	at  int32
}

// sortByKey sorts by key: by radix, since all that is read is sorted thrice.
func sortByKey(all []keyed) {
	const digit = 11
	if len(all) < 64 {
		slices.SortFunc(all, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
		return
	}
	seqs, origins := key(0), key(0)
	sorted := true
	for i, e := range all {
		seqs |= e.key & (1<<32 - 1)
		origins |= e.key >> 32
		sorted = sorted && (i == 0 || all[i-1].key <= e.key)
	}
	if sorted {
		return
	}
	from, to := all, make([]keyed, len(all))
	for _, half := range []struct{ from, size int }{{0, bits.Len64(seqs)}, {32, bits.Len64(origins)}} {
		for done := 0; done < half.size; done += digit {
			shift := half.from + done
			mask := key(1)<<min(digit, half.size-done) - 1
			var count [1 << digit]int32
			for i := range from {
				count[from[i].key>>shift&mask]++
			}
			sum := int32(0)
			for i, n := range count[:mask+1] {
				count[i] = sum
				sum += n
			}
			for i := range from {
				d := from[i].key >> shift & mask
				to[count[d]] = from[i]
				count[d]++
			}
			from, to = to, from
		}
	}
	if &from[0] != &all[0] {
		copy(all, from)
	}
}
