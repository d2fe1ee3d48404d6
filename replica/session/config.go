package session

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/codec"
	"github.com/concord-crdt/concord/crdt"
)

// Direction says which way changes go.
type Direction uint8

// The directions. What a session does is what both sides wish.
const (
	Both Direction = 0 // gives and takes
	Pull Direction = 1 // takes, gives nothing
	Push Direction = 2 // gives, takes nothing
)

// String is the direction's name.
func (d Direction) String() string {
	switch d {
	case Both:
		return "both"
	case Pull:
		return "pull"
	case Push:
		return "push"
	}
	return fmt.Sprintf("direction(%d)", uint8(d))
}

func (d Direction) gives() bool { return d != Pull }
func (d Direction) takes() bool { return d != Push }

// Config says how a session is held. Zero fields mean the default that their
// comment gives.
type Config struct {
	// Self is the origin that this replica writes under. Required.
	Self      clock.Origin
	Direction Direction
	// Live keeps the session open when all is exchanged, if both sides wish it.
	Live bool
	// Scopes are the scopes to give and take, each with those below it: "visits"
	// stands for "visits" and "visits/ward-3". nil: all. At most 256, of 8 KiB
	// together.
	Scopes []string
	// PolicyDigest names the policy in force. It is shown to the peer, and a
	// difference is an event.
	PolicyDigest crdt.Hash
	// Wall is the wall clock, which the hello tells the peer and which the agreed
	// time is made from. nil: the moments given to the core. Deadlines never look
	// at it: they go by these moments alone.
	Wall func() time.Time

	MaxFrameBytes    int // body of a frame: 64 KiB; at least 16 KiB, at most 1 MiB
	MaxChunkBytes    int // one chunk with all its changes, taken or given: 4 MiB
	MaxInFlight      int // chunks sent or taken before they are acknowledged: 64
	MaxInFlightBytes int // bytes of them, unless it is a single one: 1 MiB
	MaxStatusBytes   int // the peer's description of its scopes: 4 MiB
	MaxScopes        int // of the peer: 10,000
	MaxClockEntries  int // origins of all scopes of the peer together: 262,144
	MaxItems         int // changes listed in the report: 256

	StartChunkBytes int           // the first chunk: 4 KiB
	LeastChunkBytes int           // on the slowest link: 1 KiB, or MostChunkBytes if that is less
	MostChunkBytes  int           // on the fastest: 256 KiB
	AckTime         time.Duration // what a chunk should take; its size follows: 1 s

	HandshakeTimeout time.Duration // until the peer's hello: 10 s
	IdleTimeout      time.Duration // without a sign of life, or an answer that is due: 60 s, and 1 s for each KiB that must travel first
	Keepalive        time.Duration // a ping after so long without sending: 25 s
	DisableKeepalive bool          // send none; the peer is told and expects none
}

const (
	leastFrameBytes = 16 << 10
	maxScopeName    = 512
	maxScopesWished = 256
	maxScopesBytes  = 8 << 10
)

func (c *Config) setDefaults() {
	c.MaxFrameBytes = cmp.Or(c.MaxFrameBytes, codec.DefaultFrameLimit)
	c.MaxChunkBytes = cmp.Or(c.MaxChunkBytes, 4<<20)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, 64)
	c.MaxInFlightBytes = cmp.Or(c.MaxInFlightBytes, 1<<20)
	c.MaxStatusBytes = cmp.Or(c.MaxStatusBytes, 4<<20)
	c.MaxScopes = cmp.Or(c.MaxScopes, 10_000)
	c.MaxClockEntries = cmp.Or(c.MaxClockEntries, 1<<18)
	c.MaxItems = cmp.Or(c.MaxItems, 256)
	c.StartChunkBytes = cmp.Or(c.StartChunkBytes, 4<<10)
	c.MostChunkBytes = cmp.Or(c.MostChunkBytes, 256<<10)
	c.LeastChunkBytes = cmp.Or(c.LeastChunkBytes, min(1<<10, c.MostChunkBytes))
	c.AckTime = cmp.Or(c.AckTime, time.Second)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, 10*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, time.Minute)
	c.Keepalive = cmp.Or(c.Keepalive, 25*time.Second)
}

// Validate reports every field that is out of its range, by [errors.Join].
func (c Config) Validate() error {
	c.setDefaults()
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("session: config: "+format, args...))
		}
	}
	fault(c.Self.IsZero(), "Self is not set")
	fault(c.Direction > Push, "unknown %v", c.Direction)
	fault(c.MaxFrameBytes < leastFrameBytes || c.MaxFrameBytes > codec.MaxFrameLimit,
		"MaxFrameBytes %d is not within %d and %d", c.MaxFrameBytes, leastFrameBytes, codec.MaxFrameLimit)
	fault(len(c.Scopes) > maxScopesWished, "%d scopes are more than %d", len(c.Scopes), maxScopesWished)
	names := 0
	for _, s := range c.Scopes {
		names += len(s)
		fault(s == "" || len(s) > maxScopeName, "scope name of %d bytes is not within 1 and %d", len(s), maxScopeName)
	}
	fault(names > maxScopesBytes, "scope names of %d bytes are more than %d", names, maxScopesBytes)
	for _, f := range []struct {
		name string
		v    int
	}{
		{"MaxChunkBytes", c.MaxChunkBytes}, {"MaxInFlight", c.MaxInFlight}, {"MaxInFlightBytes", c.MaxInFlightBytes},
		{"MaxStatusBytes", c.MaxStatusBytes}, {"MaxScopes", c.MaxScopes}, {"MaxClockEntries", c.MaxClockEntries},
		{"MaxItems", c.MaxItems}, {"StartChunkBytes", c.StartChunkBytes}, {"LeastChunkBytes", c.LeastChunkBytes},
		{"MostChunkBytes", c.MostChunkBytes}, {"AckTime", int(c.AckTime)}, {"HandshakeTimeout", int(c.HandshakeTimeout)},
		{"IdleTimeout", int(c.IdleTimeout)}, {"Keepalive", int(c.Keepalive)},
	} {
		fault(f.v < 0, "%s is negative", f.name)
	}
	fault(c.LeastChunkBytes > c.MostChunkBytes, "LeastChunkBytes %d is above MostChunkBytes %d", c.LeastChunkBytes, c.MostChunkBytes)
	return errors.Join(errs...)
}

// wishes reports whether a scope is among those wished; nil wishes all.
func wishes(scopes []string, name string) bool {
	if scopes == nil {
		return true
	}
	for _, s := range scopes {
		if name == s || len(name) > len(s) && name[len(s)] == '/' && strings.HasPrefix(name, s) {
			return true
		}
	}
	return false
}

// Peer is who is on the other side, as it says itself.
type Peer struct {
	Origin       clock.Origin
	Direction    Direction
	Live         bool
	PolicyDigest crdt.Hash
	Wall         clock.Stamp   // its wall clock when it said hello
	Skew         time.Duration // its wall clock less the own one, as the hello arrived
	Version      uint64        // of the protocol that both go by
	Capabilities uint64        // that both have
}
