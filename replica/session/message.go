package session

import (
	"strings"
	"unicode/utf8"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// The protocol versions that this build speaks.
const (
	minVersion = 1
	maxVersion = 1
)

// The optional parts of the protocol, by bit. They are part of the format: never
// renumbered.
const (
	capFragments = 1 << 0 // husks, and fragments of the records that they name
)

// capabilities are the optional parts that this build has.
const capabilities = capFragments

// The types of frames. They are part of the format: never renumbered.
const (
	frameHello       = 1
	frameSummary     = 2
	frameStatus      = 3
	frameChainQuery  = 4
	frameChainAnswer = 5
	frameChunk       = 6
	frameAck         = 7
	frameCaughtUp    = 8
	framePing        = 9
	frameBye         = 10
	frameWant        = 11
	frameFragment    = 12
)

// flagMore marks a frame whose message goes on in the next frame, which has the
// same type. Only summary, status, chunk and fragment may.
const flagMore = 0x02

const (
	maxReasonBytes  = 200
	maxChunkChanges = 2048
	maxQueryPoints  = 32
	// maxChunkOverhead is what a chunk's message takes beyond its changes.
	maxChunkOverhead = maxChunkChanges*64 + clock.MaxOrigins*16 + maxScopeName + 64
)

func writeHash(w *codec.Writer, h crdt.Hash) { w.Raw(h[:]) }

func readHash(r *codec.Reader) (h crdt.Hash) {
	copy(h[:], r.Raw(len(h)))
	return h
}

func writeOrigin(w *codec.Writer, o clock.Origin) {
	w.Raw(o.Replica[:])
	w.Uint64(o.Incarnation)
}

func readOrigin(r *codec.Reader) (o clock.Origin) {
	copy(o.Replica[:], r.Raw(len(o.Replica)))
	o.Incarnation = r.Uint64()
	if o.IsZero() {
		r.Fail("origin", codec.ErrMalformed)
	}
	return o
}

// hello is the first frame each way. It is written in the first version of its
// envelope for as long as protocol version 1 is spoken, so that a peer which
// knows no later one can read which versions there are.
type hello struct {
	min, max     uint64 // protocol versions
	capabilities uint64
	self         clock.Origin
	direction    Direction
	live         bool
	policy       crdt.Hash
	wall         clock.Stamp
	digest       crdt.Hash // of the status, within the wished scopes
	count        uint64    // of these scopes
	all          bool      // wishes all scopes
	scopes       []string
	frameBytes   uint64
	chunkBytes   uint64
	inFlight     uint64
	flightBytes  uint64
	scopeLimit   uint64
	keepalive    uint64 // milliseconds between signs of life; 0: none are given
}

const maxHelloBytes = leastFrameBytes

func (h *hello) Kind() string    { return "hello" }
func (h *hello) Version() uint64 { return 1 }

func (h *hello) WriteFields(w *codec.FieldWriter, _ uint64) {
	w.Uint(h.min)
	w.Uint(h.max)
	w.Uint(h.capabilities)
	w.Bytes(h.self.Replica[:])
	w.Uint(h.self.Incarnation)
	w.Uint(uint64(h.direction))
	w.Bool(h.live)
	w.Bytes(h.policy[:])
	w.Uint(uint64(h.wall))
	w.Bytes(h.digest[:])
	w.Uint(h.count)
	w.Bool(h.all)
	w.List(len(h.scopes))
	for _, s := range h.scopes {
		w.String(s)
	}
	w.Uint(h.frameBytes)
	w.Uint(h.chunkBytes)
	w.Uint(h.inFlight)
	w.Uint(h.flightBytes)
	w.Uint(h.scopeLimit)
	w.Uint(h.keepalive)
}

func (h *hello) ReadFields(r *codec.FieldReader, _ uint64) {
	h.min, h.max = r.Uint("oldest version"), r.Uint("latest version")
	h.capabilities = r.Uint("capabilities")
	fixedBytes(r, "replica", h.self.Replica[:])
	h.self.Incarnation = r.Uint("incarnation")
	h.direction = Direction(min(r.Uint("direction"), 255))
	h.live = r.Bool("live")
	fixedBytes(r, "policy", h.policy[:])
	h.wall = clock.Stamp(r.Uint("wall clock"))
	fixedBytes(r, "status digest", h.digest[:])
	h.count = r.Uint("scope count")
	h.all = r.Bool("all scopes")
	for range r.List("scopes", maxScopesWished) {
		h.scopes = append(h.scopes, r.String("scope", maxScopeName))
	}
	h.frameBytes, h.chunkBytes = r.Uint("frame limit"), r.Uint("chunk limit")
	h.inFlight, h.flightBytes = r.Uint("chunks in flight"), r.Uint("bytes in flight")
	h.scopeLimit = r.Uint("scopes limit")
	h.keepalive = r.Uint("keepalive")
	switch {
	case r.Err() != nil:
	case h.direction > Push, h.min == 0, h.min > h.max, h.self.IsZero(), h.all && len(h.scopes) > 0,
		h.frameBytes < leastFrameBytes, h.chunkBytes == 0, h.inFlight == 0, h.flightBytes == 0, h.scopeLimit == 0:
		r.Fail("hello", codec.ErrMalformed)
	}
}

func fixedBytes(r *codec.FieldReader, what string, dst []byte) {
	if b := r.Bytes(what, len(dst)); copy(dst, b) != len(dst) {
		r.Fail(what, codec.ErrMalformed)
	}
}

func (h *hello) wished() []string {
	if h.all {
		return nil
	}
	if h.scopes == nil {
		return []string{}
	}
	return h.scopes
}

// chainQuery asks for the chain digests of one of the asker's own origins.
type chainQuery struct {
	id     uint64
	scope  string
	origin clock.Origin
	ns     []uint64 // ascending, from 1
}

func (q *chainQuery) encode() []byte {
	w := codec.NewWriter(nil)
	w.Uvarint(q.id)
	w.String(q.scope)
	writeOrigin(w, q.origin)
	w.Uvarint(uint64(len(q.ns)))
	var last uint64
	for _, n := range q.ns {
		w.Uvarint(n - last - 1)
		last = n
	}
	return w.Bytes()
}

func decodeChainQuery(b []byte) (chainQuery, error) {
	r := codec.NewReader(b)
	q := chainQuery{id: r.Uvarint(), scope: r.String("scope", maxScopeName), origin: readOrigin(r)}
	var last uint64
	for range r.Count("numbers", maxQueryPoints, 1) {
		n := last + 1 + r.Uvarint()
		if n <= last {
			r.Fail("number", codec.ErrMalformed)
			break
		}
		q.ns = append(q.ns, n)
		last = n
	}
	return q, r.Close()
}

type chainAnswer struct {
	id     uint64
	chains []ChainAt // without their numbers
}

func (a *chainAnswer) encode() []byte {
	w := codec.NewWriter(nil)
	w.Uvarint(a.id)
	w.Uvarint(uint64(len(a.chains)))
	for _, c := range a.chains {
		w.Bool(c.Known)
		if c.Known {
			writeHash(w, c.Hash)
		}
	}
	return w.Bytes()
}

func decodeChainAnswer(b []byte) (chainAnswer, error) {
	r := codec.NewReader(b)
	a := chainAnswer{id: r.Uvarint()}
	for range r.Count("chain digests", maxQueryPoints, 1) {
		c := ChainAt{Known: r.Bool()}
		if c.Known {
			c.Hash = readHash(r)
		}
		a.chains = append(a.chains, c)
	}
	return a, r.Close()
}

// ack says what became of the changes of one chunk. No verdicts at all stand
// for all applied.
type ack struct {
	number   uint64
	verdicts []Verdict
}

// encode writes the acknowledgement in at most room bytes: reasons are left out
// where they do not fit.
func (a *ack) encode(room int) []byte {
	w := codec.NewWriter(nil)
	w.Uvarint(a.number)
	if allApplied(a.verdicts) {
		w.Uvarint(0)
		return w.Bytes()
	}
	runs := a.runs(room)
	w.Uvarint(uint64(len(runs)))
	for _, u := range runs {
		w.Byte(byte(u.Outcome))
		w.Uvarint(uint64(u.count))
		if u.Outcome >= Waiting {
			w.Uvarint(uint64(u.Code))
			w.String(u.Reason)
		}
	}
	return w.Bytes()
}

// verdictRun is one verdict on so many changes in a row.
type verdictRun struct {
	Verdict
	count int
}

// runs joins verdicts that are equal as they are sent, with reasons for which
// there is room.
func (a *ack) runs(room int) (runs []verdictRun) {
	used := 32 // the number of the chunk, that of the runs, and some to spare
	for i, v := range a.verdicts {
		if v.Outcome < Waiting {
			v = Verdict{Outcome: v.Outcome}
		}
		v.Reason = cut(v.Reason, maxReasonBytes)
		last := len(runs) - 1
		if last >= 0 && runs[last].Verdict == v {
			runs[last].count++
			continue
		}
		// Each of the verdicts that remain may still need its code: seven bytes,
		// so that there is room for them in the least frame. One byte more is the
		// length of a reason above 127 bytes, or of a row above 127 changes.
		if used+len(v.Reason)+1+7*(len(a.verdicts)-i) > room {
			if v.Reason = ""; last >= 0 && runs[last].Verdict == v {
				runs[last].count++
				continue
			}
		}
		used += len(v.Reason) + 8
		runs = append(runs, verdictRun{v, 1})
	}
	return runs
}

func decodeAck(b []byte) (ack, error) {
	r := codec.NewReader(b)
	a := ack{number: r.Uvarint()}
	runs := r.Count("verdicts", maxChunkChanges, 2)
	for i := range runs {
		v := Verdict{Outcome: Outcome(r.Byte())}
		n := int(r.UvarintMax("verdicts", maxChunkChanges))
		switch {
		case r.Err() != nil:
		case n == 0 || v.Outcome >= outcomes || len(a.verdicts)+n > maxChunkChanges:
			r.Fail("verdict", codec.ErrMalformed)
		case v.Outcome >= Waiting:
			v.Code = Code(r.UvarintMax("code", maxWireCode))
			v.Reason = r.String("reason", maxReasonBytes)
		}
		if i > 0 && len(a.verdicts) > 0 && a.verdicts[len(a.verdicts)-1] == v || runs == 1 && v.Outcome == Applied {
			r.Fail("verdict", codec.ErrNotCanonical)
		}
		if r.Err() != nil {
			break
		}
		for range n {
			a.verdicts = append(a.verdicts, v)
		}
	}
	return a, r.Close()
}

func allApplied(vs []Verdict) bool {
	for _, v := range vs {
		if v.Outcome != Applied {
			return false
		}
	}
	return true
}

type bye struct {
	code   ByeCode
	reason string
}

func (b *bye) encode() []byte {
	w := codec.NewWriter(nil)
	w.Uvarint(uint64(b.code))
	w.String(cut(b.reason, maxReasonBytes))
	return w.Bytes()
}

func decodeBye(p []byte) (bye, error) {
	r := codec.NewReader(p)
	b := bye{ByeCode(r.UvarintMax("code", maxWireCode)), r.String("reason", maxReasonBytes)}
	return b, r.Close()
}

// caughtUp says that the sender has nothing more to send, as far as the
// receiver's status of this round tells.
func encodeCaughtUp(round uint64) []byte {
	w := codec.NewWriter(nil)
	w.Uvarint(round)
	return w.Bytes()
}

func decodeCaughtUp(p []byte) (uint64, error) {
	r := codec.NewReader(p)
	round := r.Uvarint()
	if round == 0 {
		r.Fail("status", codec.ErrMalformed) // they are counted from 1
	}
	return round, r.Close()
}

// cut shortens s to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
