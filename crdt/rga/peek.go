package rga

import (
	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
)

// PeekText reads the visible text out of what Write of a [Text] wrote, and
// nothing else: to show it before anybody edits it.
//
// O(bytes), a tenth of what ReadText takes (BenchmarkPeek). It checks only what
// it needs to find the text. Errors are recorded in r; the text is empty then.
func PeekText(r *codec.Reader) string {
	if v := r.Byte(); v != storedVersion {
		r.Fail("sequence", &codec.VersionError{What: "sequence", Got: uint64(v), Max: storedVersion})
	}
	table := clock.ReadTable(r, MaxOrigins)
	for range r.Count("origins of a sequence", MaxOrigins, 2) {
		clock.ReadOrigin(r, table)
		r.Uvarint()
	}
	r.Raw(r.Count("runs", MaxElements, 1))
	const columns = 7 // origins to targets
	for range columns {
		r.Blob("column of a sequence", r.Remaining())
	}
	for range 2 { // dropped, dropped alive
		for range r.Count("dropped", MaxElements, 1) {
			r.Uvarint()
		}
	}
	text := r.String("content", MaxContent)
	r.Blob("content of tombstones", MaxContent)
	if r.Err() != nil {
		return ""
	}
	return text
}
