package proptest

import (
	"iter"
	"slices"
)

// permutations lists every order of a short list, the given one first.
func permutations[T any](list []T) iter.Seq[[]T] {
	return func(yield func([]T) bool) { permute(slices.Clone(list), 0, yield) }
}

// permute orders what stands from a place on, and leaves the list as it was.
func permute[T any](list []T, from int, yield func([]T) bool) bool {
	if from >= len(list)-1 {
		return yield(slices.Clone(list))
	}
	for i := from; i < len(list); i++ {
		list[from], list[i] = list[i], list[from]
		if !permute(list, from+1, yield) {
			return false
		}
		list[from], list[i] = list[i], list[from]
	}
	return true
}
