package scenario

import (
	"bytes"
	"compress/flate"
	"fmt"
	"slices"
)

// measure holds the run against the budget of its scenario.
func (r *run) measure() error {
	b := r.s.Budget
	if b == nil {
		return nil
	}
	level := b.Level
	if level == "" {
		level = r.s.Level
	}
	add := func(name string, got, limit float64, measured bool) {
		if limit > 0 {
			r.costs = append(r.costs, Cost{Name: name, Level: level, Got: got, Max: limit, Measured: measured})
		}
	}
	if b.StateBytesMax > 0 || b.StateBytesMaxAfterCompression > 0 {
		plain, compressed, err := r.stateBytes()
		if err != nil {
			return err
		}
		add("state_bytes", plain, float64(b.StateBytesMax), true)
		add("state_bytes_after_compression", compressed, float64(b.StateBytesMaxAfterCompression), true)
	}
	add("wall_ms", float64(r.wall.Milliseconds()), float64(b.WallMillisMax), r.Elapsed != nil)
	var sync SyncCost
	if r.sync != nil {
		sync = *r.sync
	}
	fraction := 0.0
	if sync.FullBytes > 0 {
		fraction = float64(sync.Bytes) / float64(sync.FullBytes)
	}
	add("bytes_fraction_of_full", fraction, b.BytesMaxFractionOfFull, sync.FullBytes > 0)
	add("round_trips", float64(sync.RoundTrips), float64(b.RoundTripsMax), r.sync != nil)
	add("changes", float64(sync.Changes), float64(b.ChangesMax), r.sync != nil)
	return nil
}

// stateBytes is the size of the largest state, as it is and after DEFLATE.
func (r *run) stateBytes() (plain, compressed float64, err error) {
	for _, name := range r.s.Replicas {
		state, err := stored(r.replicas[name])
		if err != nil {
			return 0, 0, fmt.Errorf("state of %s: %w", name, err)
		}
		var out bytes.Buffer
		w, err := flate.NewWriter(&out, flate.BestCompression)
		if err != nil {
			return 0, 0, err
		}
		if _, err := w.Write(state); err != nil {
			return 0, 0, err
		}
		if err := w.Close(); err != nil {
			return 0, 0, err
		}
		plain, compressed = max(plain, float64(len(state))), max(compressed, float64(out.Len()))
	}
	return plain, compressed, nil
}

func stored(replica Replica) ([]byte, error) {
	if s, ok := replica.(Storer); ok {
		return s.Stored()
	}
	return replica.State()
}

// worst joins the costs of two runs of one scenario.
func worst(a, b []Cost) []Cost {
	if a == nil {
		return b
	}
	out := slices.Clone(a)
	for i := range out {
		out[i].Got = max(out[i].Got, b[i].Got)
		out[i].Measured = out[i].Measured && b[i].Measured
	}
	return out
}
