package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// doTransport performs the steps that move states and stores.
func (r *run) doTransport(s *Step) error {
	switch s.Do {
	case "sync":
		return r.sync1(s.From, s.To)
	case "sync_all":
		return r.syncAll()
	case "partition":
		return r.partition(s.Groups)
	case "heal":
		r.groups = nil
		if p, ok := r.world.(Partitioner); ok {
			return p.Heal()
		}
		return nil
	case "delta":
		message, mark, err := r.replicas[s.On].Delta(r.marks[s.On], s.Own)
		if err != nil {
			return err
		}
		r.messages[s.Name], r.marks[s.On] = message, mark
		return nil
	case "snapshot":
		return r.snapshot(s)
	case "deliver":
		return r.deliver(s)
	case "deliver_corrupt":
		return r.deliverCorrupt(s)
	case "deliver_version":
		return r.deliverVersion(s)
	case "inject_hlc":
		p, err := as[ClockPoisoner](r.world, CanInjectHLC)
		if err != nil {
			return err
		}
		if err := p.Poison(s.To); err != nil && !errors.Is(err, ErrRefused) {
			return fmt.Errorf("the forged delta was refused, but not by a typed error: %w", err)
		}
		return nil
	case "restart":
		d, err := as[Durable](r.replicas[s.On], CanRestart)
		if err != nil {
			return err
		}
		before, err := r.fingerprint(d)
		if err != nil {
			return err
		}
		if err := d.Restart(); err != nil || !r.steady() {
			return err
		}
		return r.unchanged(s.On, before, "the restart changed the replica")
	case "restore":
		d, err := as[Durable](r.replicas[s.On], CanRestore)
		if err != nil {
			return err
		}
		r.repairs = true
		return d.Restore(r.backups[s.From])
	}
	return fmt.Errorf("scenario: %s moves nothing", s.Do)
}

// apart reports whether a partition stands between two replicas.
func (r *run) apart(from, to string) bool {
	return r.groups != nil && r.groups[from] != r.groups[to]
}

// partition numbers the groups; replicas that none of them names are together,
// in group 0.
func (r *run) partition(groups [][]string) error {
	r.groups = map[string]int{}
	rest := slices.Clone(r.s.Replicas)
	for i, group := range groups {
		for _, name := range group {
			r.groups[name] = i + 1
			rest = slices.DeleteFunc(rest, func(n string) bool { return n == name })
		}
	}
	if p, ok := r.world.(Partitioner); ok {
		if groups = slices.Clone(groups); len(rest) > 0 {
			groups = append(groups, rest)
		}
		return p.Partition(groups)
	}
	return nil
}

// steady reports whether replicas change by what reaches them alone. A restored
// one repairs its past at the next contact, and where clocks differ a change
// that waits for its time may find that it has come.
func (r *run) steady() bool {
	for _, t := range r.clocks {
		if !t.Equal(r.clocks[r.ids[0]]) {
			return false
		}
	}
	return !r.repairs
}

// sync1 is one sync in one direction. Its source must not change, and across a
// partition it must fail and change nothing.
func (r *run) sync1(from, to string) error {
	source, err := r.replicas[from].Digest()
	if err != nil {
		return err
	}
	if r.apart(from, to) {
		if _, ok := r.world.(Partitioner); !ok {
			r.remark = "apart: nothing passes"
			return nil
		}
		before, err := r.fingerprint(r.replicas[to])
		if err != nil {
			return err
		}
		if _, err := r.world.Sync(from, to); err == nil {
			return errorf("a sync from %s to %s succeeded across the partition", from, to)
		}
		return r.unchanged(to, before, "a sync across the partition changed the replica")
	}
	if _, err := r.world.Sync(from, to); err != nil {
		return fmt.Errorf("sync from %s to %s: %w", from, to, err)
	}
	after, err := r.replicas[from].Digest()
	if err != nil {
		return err
	}
	if after != source && r.steady() {
		return &broken{"the sync changed its source", []Mismatch{{Replica: from, What: "digest", Got: after, Want: []string{source}}}}
	}
	return nil
}

// syncAll syncs all pairs, in both directions, until nobody learns anything.
func (r *run) syncAll() error {
	rounds := 3*len(r.s.Replicas) + 8
	for range rounds {
		learned := false
		for _, from := range r.s.Replicas {
			for _, to := range r.s.Replicas {
				if from == to || r.apart(from, to) {
					continue
				}
				news, err := r.world.Sync(from, to)
				if err != nil {
					return fmt.Errorf("sync from %s to %s: %w", from, to, err)
				}
				learned = learned || news > 0
			}
		}
		if !learned {
			return nil
		}
	}
	return errorf("replicas still learn something new after %d rounds of all pairs", rounds)
}

// snapshot takes what later steps will use: a message, a copy of the store, or
// both.
func (r *run) snapshot(s *Step) error {
	if r.restored[s.Name] {
		d, err := as[Durable](r.replicas[s.On], CanRestore)
		if err != nil {
			return err
		}
		if r.backups[s.Name], err = d.Backup(); err != nil {
			return err
		}
	}
	if r.delivered[s.Name] || !r.restored[s.Name] {
		message, err := r.replicas[s.On].State()
		if err != nil {
			return err
		}
		r.messages[s.Name] = message
	}
	return nil
}

// deliver hands a message over, and then once more: the second time must change
// nothing.
func (r *run) deliver(s *Step) error {
	replica := r.replicas[s.To]
	for range max(1, s.Times) {
		if err := replica.Deliver(slices.Clone(r.messages[s.What])); err != nil {
			return err
		}
	}
	before, err := r.fingerprint(replica)
	if err != nil {
		return err
	}
	if err := replica.Deliver(slices.Clone(r.messages[s.What])); err != nil {
		return errorf("%s was taken, and refused when it came again: %v", s.What, err)
	}
	return r.unchanged(s.To, before, "the same message, delivered again, changed the replica")
}

// refuse hands over bytes that must be refused, knowingly and without a trace.
func (r *run) refuse(to string, message []byte, digest, how string) error {
	err := r.replicas[to].Deliver(message)
	if err == nil {
		return errorf("%s: the message was accepted", how)
	}
	if !errors.Is(err, ErrRefused) {
		return errorf("%s: refused, but not by a typed error: %v", how, err)
	}
	after, err := r.replicas[to].Digest()
	if err != nil {
		return err
	}
	if after != digest {
		return &broken{how + ": refused, but the replica changed", []Mismatch{{Replica: to, What: "digest", Got: after, Want: []string{digest}}}}
	}
	return nil
}

func (r *run) deliverCorrupt(s *Step) error {
	message := r.messages[s.What]
	before, err := r.fingerprint(r.replicas[s.To])
	if err != nil {
		return err
	}
	digest, err := r.replicas[s.To].Digest()
	if err != nil {
		return err
	}
	if s.Flips != "" {
		for bit := range 8 * len(message) {
			damaged := slices.Clone(message)
			damaged[bit/8] ^= 1 << (bit % 8)
			if err := r.refuse(s.To, damaged, digest, fmt.Sprintf("bit %d of byte %d flipped", bit%8, bit/8)); err != nil {
				return err
			}
		}
	}
	if s.Truncate != "" {
		for length := range message {
			damaged := slices.Clone(message[:length])
			if err := r.refuse(s.To, damaged, digest, fmt.Sprintf("cut to %d of %d bytes", length, len(message))); err != nil {
				return err
			}
		}
	}
	return r.unchanged(s.To, before, "damaged messages were refused, but the replica changed")
}

func (r *run) deliverVersion(s *Step) error {
	v, err := as[Versioner](r.world, CanShiftVersion)
	if err != nil {
		return err
	}
	later, err := strconv.Atoi(strings.TrimPrefix(s.Version, "+"))
	if err != nil {
		return err
	}
	message, err := v.Later(slices.Clone(r.messages[s.What]), later)
	if err != nil {
		return err
	}
	digest, err := r.replicas[s.To].Digest()
	if err != nil {
		return err
	}
	return r.refuse(s.To, message, digest, "a format "+s.Version+" versions later")
}
