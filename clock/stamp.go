package clock

import (
	"slices"
	"strconv"
	"time"

	"github.com/concord-crdt/concord/internal/planted"
)

// Stamp is a time of a hybrid logical clock: 48 bits of milliseconds since 1970,
// then 16 logical bits, which order what falls into one millisecond. They reach
// to the year 10889.
//
// Stamps are ordered as integers. Of two changes where one saw the other, the
// later has the greater stamp, as long as its author's clock observed the
// other's stamp. The reverse says nothing: concurrent changes are ordered too.
//
// The zero value is before every stamp that an [HLC] gives out, and stands for
// none.
//
// Source: Kulkarni et al., "Logical Physical Clocks", OPODIS 2014.
type Stamp uint64

const (
	logicalBits = 16
	maxMilli    = 1<<(64-logicalBits) - 1
	maxLogical  = 1<<logicalBits - 1
)

// MaxStamp is the greatest stamp.
const MaxStamp Stamp = maxMilli<<logicalBits | maxLogical

// Earliest is 2024-01-01T00:00:00Z, before the first release of this software.
// A wall clock that shows less was never set (see [Agreed]).
const Earliest Stamp = 1_704_067_200_000 << logicalBits

// MaxAhead is how far a stamp may lie ahead of what a replica knows of the time
// before it has to wait (see [Ahead]).
const MaxAhead = 10 * time.Minute

// NewStamp returns the stamp of t, cut to the millisecond, with the given
// logical part. Times before 1970 give the milliseconds 0, times after the range
// its last millisecond.
func NewStamp(t time.Time, logical uint16) Stamp {
	var milli int64
	switch sec := t.Unix(); {
	case sec < 0:
	case sec > maxMilli/1000:
		milli = maxMilli
	default:
		milli = min(t.UnixMilli(), maxMilli)
	}
	return Stamp(milli)<<logicalBits | Stamp(logical)
}

// Milli returns the milliseconds since 1970.
func (s Stamp) Milli() int64 { return int64(s >> logicalBits) }

// Logical returns the logical part.
func (s Stamp) Logical() uint16 { return uint16(s & maxLogical) }

// Time returns the time to the millisecond, in UTC.
func (s Stamp) Time() time.Time { return time.UnixMilli(s.Milli()).UTC() }

// Next returns the least stamp after s: the logical part plus one, with a carry
// into the milliseconds when it is full. [MaxStamp] has none after it, and is
// returned itself.
func (s Stamp) Next() Stamp {
	if s == MaxStamp {
		return s
	}
	if planted.Is(planted.LogicalWraps) && s.Logical() == maxLogical {
		return s &^ maxLogical
	}
	return s + 1
}

// Add returns s moved by d, cut to the millisecond towards zero, with the same
// logical part. It stops at 0 and at [MaxStamp].
func (s Stamp) Add(d time.Duration) Stamp {
	switch milli := s.Milli() + d.Milliseconds(); {
	case milli < 0:
		return 0
	case milli > maxMilli:
		return MaxStamp
	default:
		return Stamp(milli)<<logicalBits | s&maxLogical
	}
}

// String returns the time in the form of RFC 3339 with milliseconds, then the
// logical part, as in 2030-01-01T08:00:00.000Z+7.
func (s Stamp) String() string {
	b := s.Time().AppendFormat(nil, "2006-01-02T15:04:05.000Z07:00")
	return string(strconv.AppendUint(append(b, '+'), uint64(s.Logical()), 10))
}

// Ahead reports whether s is ahead: whether it passes by more than [MaxAhead]
// the greatest of the wall clock here, the own [HLC], the agreed time of the
// session (see [Agreed]), and the greatest stamp that was applied here. Use 0
// for what there is not. Milliseconds are compared; a stamp exactly at the bound
// is not ahead.
//
// A change whose stamp is ahead waits and is stored unchanged. It must not be
// applied or observed yet, and never be given another stamp here: what a replica
// makes of a stamp on its own differs from what others make of it.
//
// The result depends on where and when it is asked. It may delay what is
// applied, and must not decide what it is.
func Ahead(s Stamp, wall time.Time, own, agreed, applied Stamp) bool {
	known := max(NewStamp(wall, 0), own, agreed, applied)
	return s.Milli()-known.Milli() > MaxAhead.Milliseconds()
}

// Agreed returns the time that a session goes by: the own wall clock, unless it
// lies before [Earliest]. Such a clock was never set, as in a device without a
// battery that boots in 1970; then it is the median of the peers' wall clocks
// that do not lie before Earliest, of two the earlier one, so that most of the
// peers must be wrong to mislead. If there is none of these either, it is the own
// one.
//
// O(p log p) for p peers, and only when the own clock was never set.
func Agreed(own Stamp, peers ...Stamp) Stamp {
	if own >= Earliest {
		return own
	}
	set := make([]Stamp, 0, len(peers))
	for _, p := range peers {
		if p >= Earliest {
			set = append(set, p)
		}
	}
	if len(set) == 0 {
		return own
	}
	slices.Sort(set)
	return set[(len(set)-1)/2]
}
