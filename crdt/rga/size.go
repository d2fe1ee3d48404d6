//go:build !rga_small

package rga

// How large the parts of the data structure are. The tag rga_small makes them
// tiny, so that tests of small texts see deep trees.
const (
	// leafSpans is how many spans a leaf holds, 28 bytes each: a search in it
	// is some 16 comparisons of neighbouring words.
	leafSpans = 32
	fanOut    = 32 // children of an inner node
	// maxHeight is enough for any tree: inner nodes but the root have 16
	// children or more, and there are at most 2³⁰ spans.
	maxHeight      = 9
	chunkStretches = 128 // of the index of an origin
	wideRunes      = 16  // longest segment of text that is not ASCII
)
