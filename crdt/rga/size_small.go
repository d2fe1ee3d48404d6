//go:build rga_small

package rga

// See size.go.
const (
	leafSpans      = 4
	fanOut         = 4
	maxHeight      = 32
	chunkStretches = 4
	wideRunes      = 3
)
