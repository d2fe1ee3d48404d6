package crdt_test

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/crdt"
)

// sealOf is a seal of an origin at a change; by names its entry.
func sealOf(o clock.Origin, last uint64, by clock.Origin) crdt.Sealed {
	return crdt.Sealed{Seal: crdt.Seal{Origin: o, Last: last}, By: crdt.EntryID{Dot: clock.Dot{Origin: by, N: 1000 + last}}}
}

// renewed is a device that goes on as a new incarnation, with what another knew.
func renewed(t testing.TB, old *device, n byte) *device {
	d := newDevice(n)
	d.origin = clock.Origin{Replica: old.origin.Replica, Incarnation: old.origin.Incarnation + 100 + uint64(n)}
	d.record, d.applied, d.wall = clone(t, old.record), old.applied.Clone(), old.wall
	return d
}

const least, most = -5, 30

// rightsAt are the sums of all rights, and what each origin holds.
func rightsAt(ds []*device, d *device) (up, down *big.Int, each string, below bool) {
	f := d.record.Field("seats", crdt.TypeBounded, d.policy)
	up, down = new(big.Int), new(big.Int)
	var b strings.Builder
	for _, x := range ds {
		u, w := f.Rights(x.origin)
		up.Add(up, u)
		down.Add(down, w)
		below = below || u.Sign() < 0 || w.Sign() < 0
		fmt.Fprintf(&b, "%v: %v up, %v down\n", x.origin, u, w)
	}
	return up, down, b.String(), below
}

// TestClaimsNeverMakeRights lets devices spend, give, start anew and claim what
// they held before. Whatever was cloned, and whoever claimed twice, all rights
// together are what the value leaves; and where every incarnation that was sealed
// had ended, the value never leaves its bounds.
func TestClaimsNeverMakeRights(t *testing.T) {
	claims, doubled := 0, 0
	for _, clones := range []bool{false, true} {
		holds(t, max(int(seeds(40)), 20), func(r *rand.Rand) error {
			ds := devices(3)
			ds[0].edit(t, nil, func(e *crdt.RecordEditor) { e.Bounded("seats").Open(least, most, 10) })
			ds[1].receive(t, ds[0].log...)
			ds[2].receive(t, ds[0].log...)
			acting := append([]*device(nil), ds...)
			before := map[*device][]*device{} // the incarnations that one had
			for range 60 {
				i := r.IntN(len(acting))
				d := acting[i]
				switch k := r.IntN(12); {
				case k < 4:
					gossip(t, ds, d, acting[r.IntN(len(acting))])
				case k == 4 && len(ds) < 12:
					n := renewed(t, d, byte(len(ds)+1))
					ds = append(ds, n)
					before[n] = append(append([]*device(nil), before[d]...), d)
					if acting = append(acting, n); !clones {
						acting[i] = n
						acting = acting[:len(acting)-1]
					}
				case k < 8 && len(before[d]) > 0:
					old := before[d][r.IntN(len(before[d]))]
					last := d.record.Vector().Get(old.origin)
					if !clones && last < old.n {
						continue
					}
					e := d.record.Edit("r", crdt.EditOptions{Dot: d.next()})
					if err := e.Bounded("seats").Claim(sealOf(old.origin, last, d.origin)); err != nil {
						e.Undo()
						if !errors.Is(err, crdt.ErrSeal) {
							return err
						}
						continue
					}
					e.Undo()
					if d.edit(t, nil, func(e *crdt.RecordEditor) { e.Bounded("seats").Claim(sealOf(old.origin, last, d.origin)) }) != nil {
						claims++
					}
				default:
					by, to := int64(r.IntN(15)-7), acting[r.IntN(len(acting))].origin
					give := r.IntN(3) == 0
					try := func(e *crdt.RecordEditor) error {
						if give {
							return e.Bounded("seats").Transfer(to, by)
						}
						return e.Bounded("seats").Add(by)
					}
					e := d.record.Edit("r", crdt.EditOptions{Dot: d.next()})
					err := try(e)
					e.Undo()
					if err == nil {
						d.edit(t, nil, func(e *crdt.RecordEditor) { try(e) })
					} else if !errors.Is(err, crdt.ErrNoRights) {
						return err
					}
				}
			}
			agree(t, ds...)
			for _, d := range ds {
				up, down, each, below := rightsAt(ds, d)
				value := d.record.Field("seats", crdt.TypeBounded, d.policy).Bounded().Value
				if up.Cmp(new(big.Int).Sub(big.NewInt(most), value)) != 0 || down.Cmp(new(big.Int).Sub(value, big.NewInt(least))) != 0 {
					return fmt.Errorf("%w: the value is %v, and the rights are\n%s", errLaw, value, each)
				}
				if out := value.Cmp(big.NewInt(least)) < 0 || value.Cmp(big.NewInt(most)) > 0; !clones && (out || below) {
					return fmt.Errorf("%w: the value is %v, between %d and %d, and the rights are\n%s", errLaw, value, least, most, each)
				}
				if _, _, other, _ := rightsAt(ds, ds[0]); other != each {
					return fmt.Errorf("%w: rights at one:\n%s\nand at another:\n%s", errLaw, other, each)
				}
				if below {
					doubled++
				}
			}
			return nil
		})
	}
	t.Logf("%d claims; %d records in which a clone spent what another had claimed", claims, doubled)
	if claims == 0 || doubled == 0 {
		t.Error("the histories do not reach what they are for")
	}
}

// TestClaimIsVoidForWhoMayNot lists what a claim is refused for.
func TestClaimIsVoidForWhoMayNot(t *testing.T) {
	a := newDevice(1)
	open := a.edit(t, nil, func(e *crdt.RecordEditor) { e.Bounded("seats").Open(0, 10, 10) })
	again := renewed(t, a, 2)
	spent := a.edit(t, nil, func(e *crdt.RecordEditor) { e.Bounded("seats").Add(-4) })
	try := func(d *device, s crdt.Sealed) error {
		e := d.record.Edit("r", crdt.EditOptions{Dot: d.next()})
		defer e.Undo()
		return e.Bounded("seats").Claim(s)
	}
	other := newDevice(3)
	other.receive(t, open)
	if err := try(other, sealOf(a.origin, 1, again.origin)); !errors.Is(err, crdt.ErrSeal) {
		t.Errorf("of another replica: %v", err)
	}
	if err := try(other, sealOf(a.origin, 1, other.origin)); err != nil {
		t.Errorf("of a lost device, by the steward who sealed it: %v", err)
	}
	if err := try(a, sealOf(a.origin, 1, again.origin)); !errors.Is(err, crdt.ErrSeal) {
		t.Errorf("of itself: %v", err)
	}
	if err := try(again, sealOf(a.origin, 1, again.origin)); err != nil {
		t.Errorf("of the one before: %v", err)
	}
	again.receive(t, spent)
	if err := try(again, sealOf(a.origin, 1, again.origin)); !errors.Is(err, crdt.ErrSeal) {
		t.Errorf("beyond the seal: %v", err)
	}
	if err := try(newDevice(1), sealOf(origin(1), 1, origin(1))); !errors.Is(err, crdt.ErrSeal) {
		t.Errorf("of itself where nothing is open: %v", err)
	}
	again.edit(t, nil, func(e *crdt.RecordEditor) { e.Bounded("seats").Claim(sealOf(a.origin, 2, again.origin)) })
	third := renewed(t, again, 4)
	if err := try(third, sealOf(a.origin, 2, third.origin)); !errors.Is(err, crdt.ErrSeal) {
		t.Errorf("what another has claimed: %v", err)
	}
	third.edit(t, nil, func(e *crdt.RecordEditor) { e.Bounded("seats").Claim(sealOf(again.origin, 1, third.origin)) })
	if _, down := third.record.Field("seats", crdt.TypeBounded, third.policy).Rights(third.origin); down.Int64() != 6 {
		t.Errorf("through two claims there are %v to spend, want 6", down)
	}
}

// TestSealsOfOneOrigin: of several the greatest last change counts, whatever came
// first.
func TestSealsOfOneOrigin(t *testing.T) {
	x, y, z := sealOf(origin(1), 3, origin(2)), sealOf(origin(1), 5, origin(3)), sealOf(origin(1), 5, origin(4))
	for _, order := range [][]crdt.Sealed{{x, y, z}, {z, y, x}, {y, x, z}, {z, z, x, y}} {
		var s *crdt.Seals
		for _, seal := range order {
			s = s.With(seal)
		}
		if got, ok := s.Of(origin(1)); !ok || got != y {
			t.Errorf("%v counts", got)
		}
		if s.Beyond(clock.Dot{Origin: origin(1), N: 5}) || !s.Beyond(clock.Dot{Origin: origin(1), N: 6}) || s.Beyond(clock.Dot{Origin: origin(2), N: 9}) {
			t.Error("what lies beyond is wrong")
		}
		c := crdt.Claim{Seal: x.By, Origin: origin(1), Last: 3}
		by := clock.Dot{Origin: clock.Origin{Replica: origin(1).Replica, Incarnation: 9}, N: 1}
		if err := c.Check(by, s); err != nil {
			t.Error(err)
		}
		for _, wrong := range []crdt.Claim{{x.By, origin(1), 4}, {x.By, origin(2), 3}, {crdt.EntryID{}, origin(1), 3}} {
			if err := wrong.Check(by, s); !errors.Is(err, crdt.ErrSeal) {
				t.Errorf("%+v: %v", wrong, err)
			}
		}
	}
}
