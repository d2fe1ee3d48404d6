package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// tell plays the story, and tells it.
func (w *ward) tell() error {
	w.say(`Three devices of a hospital ward. Each holds everything, works without a
network, and agrees with the others when they meet.

  station   the ward's computer
  tablet    Nora, nurse
  phone     Deniz, doctor on call
`)
	for _, act := range []func() error{w.morning, w.apart, w.together, w.correction, w.badLine, w.agreement} {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

var beds = []struct {
	key, name string
	dose      int
}{
	{"bed-5", "Ada", 10}, {"bed-6", "Alan", 2}, {"bed-7", "Grace", 5}, {"bed-8", "Kurt", 8},
}

func (w *ward) morning() error {
	begun := time.Now()
	for _, b := range beds {
		if err := w.station.Collection("patients").Update(w.ctx, b.key, func(p *replica.Record) error {
			return errors.Join(p.Register("name").Set(b.name), p.Register("dose").Set(b.dose))
		}); err != nil {
			return err
		}
	}
	if err := w.insert(w.station, 0, "Handover: "); err != nil {
		return err
	}
	took := time.Since(begun)
	w.say("\n1. In the morning\n\nThe station enters %s and a note: %s in %v, each\n%s when its call returned. Tablet and phone fetch them.\n\n",
		count(len(beds), "patient"), count(len(beds)+1, "change"), round(took), w.where())
	return w.meetAll(w.tablet, w.phone)
}

// where says where a change is when its call returned.
func (w *ward) where() string {
	if w.flags.durability == "relaxed" {
		return "with the system"
	}
	return "on the disk"
}

func (w *ward) apart() error {
	for _, edit := range []struct {
		on   *device
		key  string
		dose int
	}{
		{w.phone, "bed-7", 3}, {w.tablet, "bed-7", 7},
		{w.tablet, "bed-8", 9}, {w.phone, "bed-8", 6},
	} {
		if err := w.dose(edit.on, edit.key, edit.dose); err != nil {
			return err
		}
	}
	for d, allergy := range map[*device]string{w.tablet: "latex", w.phone: "penicillin"} {
		if err := d.Collection("patients").Update(w.ctx, "bed-7", func(p *replica.Record) error {
			return p.Set("allergies").Add(allergy)
		}); err != nil {
			return err
		}
	}
	end := len("Handover: ")
	if err := errors.Join(w.insert(w.tablet, end, "Grace slept well. "), w.insert(w.phone, end, "Watch Kurt's pulse. ")); err != nil {
		return err
	}
	w.say(`
2. Apart

The network is down; nobody waits for it. Deniz sets the dose of bed 7 to 3.
Nora, who has not seen that, sets it to 7 a moment later. On bed 8 it is the
other way round: first Nora, then Deniz. Each notes another allergy of Grace,
and both type into the note at one place. Meanwhile everyone sees their own:

`)
	return w.table("bed-7", "bed-8")
}

func (w *ward) together() error {
	w.say("\n3. They meet\n\n")
	if err := w.meetAll(w.tablet, w.phone, w.tablet); err != nil {
		return err
	}
	w.say("\n")
	if err := w.table("bed-7", "bed-8"); err != nil {
		return err
	}
	w.say(`
Of doses written apart the ward's rule shows the doctor's, whoever was first or
last. The rule looks at what was written and at nothing else, so every device
finds the same without asking. And nothing is gone:

`)
	for _, key := range []string{"bed-7", "bed-8"} {
		if err := w.overruled(key); err != nil {
			return err
		}
	}
	v, err := w.phone.Collection("patients").View(w.ctx, "bed-7")
	if err != nil {
		return err
	}
	note, err := w.note(w.phone)
	if err != nil {
		return err
	}
	w.say("\nWhat needs no rule is merged:\n\n  allergies  %v\n  note       %s\n", showAll(v.Values()["allergies"].([]any), shownBytes), note)
	return nil
}

func (w *ward) correction() error {
	if err := w.dose(w.tablet, "bed-7", 4); err != nil {
		return err
	}
	w.say(`
4. Nora corrects

Rank decides between people who did not know of each other. Nora has now seen
the 3; she talks to Deniz and writes 4. That replaces both, and stays:

`)
	if err := w.meetAll(w.tablet, w.phone); err != nil {
		return err
	}
	w.say("\n")
	return w.table("bed-7")
}

const (
	readings = 400
	cutAfter = 20_000
)

func (w *ward) badLine() error {
	begun := time.Now()
	for i := range readings {
		if err := w.tablet.Collection("readings").Update(w.ctx, fmt.Sprintf("%s/%03d", beds[i%len(beds)].key, i), func(p *replica.Record) error {
			return errors.Join(p.Register("pulse").Set(60+i*7%30), p.Register("temperature").Set(36.5+float64(i%12)/10), p.Register("at").Set(fmt.Sprintf("%02d:%02d", i/60, i%60)))
		}); err != nil {
			return err
		}
	}
	w.say("\n5. A bad line\n\nIn the night the tablet takes %d readings, in %v. On the way to\nthe station the line is cut.\n\n", readings, round(time.Since(begun)))
	first, err := w.meet(w.tablet, cutAfter)
	if err == nil {
		return fmt.Errorf("%w: a line that was cut after %d bytes carried %d", errDisagree, cutAfter, first.Sent.Bytes)
	} else if !errors.Is(err, session.ErrCut) {
		return err
	}
	arrived := 0
	for _, err := range w.station.Collection("readings").Keys(w.ctx) {
		if err != nil {
			return err
		}
		arrived++
	}
	second, err := w.meet(w.tablet, 0)
	if err != nil {
		return err
	}
	w.say("  first try    cut after %s: the station keeps %d of %d\n", showBytes(cutAfter), arrived, readings)
	w.say("  second try   %s in %s, %v: the rest, and nothing twice\n",
		count(second.Sent.Changes.Changes, "change"), showBytes(second.Sent.Bytes), round(second.took))
	w.facts["cut"] = map[string]any{
		"readings": readings, "cut_after_bytes": cutAfter, "sent_before": first.Sent.Changes.Changes, "arrived": arrived,
		"sent_after": second.Sent.Changes.Changes, "bytes_after": second.Sent.Bytes,
	}
	if arrived == 0 || arrived == readings || uint64(readings-arrived) != second.Sent.Changes.Changes || second.Sent.Verdicts.Duplicate != 0 {
		return fmt.Errorf("%w: %d of %d readings arrived, then %d were sent", errDisagree, arrived, readings, second.Sent.Changes.Changes)
	}
	w.say("\n")
	return w.meetAll(w.phone)
}

// agreement compares all that the devices show, and lets the stores compare
// what they hold.
func (w *ward) agreement() error {
	w.say("\n6. Do they agree?\n\n")
	var prints []string
	for _, d := range w.devices() {
		hash, records, err := w.fingerprint(d)
		if err != nil {
			return err
		}
		prints = append(prints, hash)
		w.say("  %-9s %s, all that they show: %s\n", d.name, count(records, "record"), hash[:16])
		w.facts["records"] = records
	}
	agree := prints[0] == prints[1] && prints[0] == prints[2]
	w.facts["fingerprints"], w.facts["agree"] = prints, agree
	for _, d := range []*device{w.tablet, w.phone} {
		m, err := w.meet(d, 0)
		if err != nil {
			return err
		}
		idle := m.Sent.Changes.Changes == 0 && m.Received.Changes.Changes == 0 && len(m.Alarms) == 0
		agree = agree && idle
		w.say("  %-9s says hello to the station: %s, digests equal, nothing to send\n", d.name, showBytes(m.Sent.Bytes+m.Received.Bytes))
	}
	if !agree {
		return errDisagree
	}
	w.say("\nYes: the same on all three, without a server that decides.\n")
	return nil
}

// dose writes a dose as the person of the device.
func (w *ward) dose(d *device, key string, dose int) error {
	return d.Collection("patients").Update(w.ctx, key, func(p *replica.Record) error {
		return p.Register("dose").Set(dose)
	})
}

// insert types into the note.
func (w *ward) insert(d *device, pos int, s string) error {
	return d.Collection("notes").Update(w.ctx, "handover", func(p *replica.Record) error {
		return p.Text("text").Insert(pos, s)
	})
}

func (w *ward) note(d *device) (string, error) {
	v, err := d.Collection("notes").View(w.ctx, "handover")
	if err != nil {
		return "", err
	}
	return quote(fmt.Sprint(v.Values()["text"]), 2*shownBytes), nil
}

// meetAll lets devices sync with the station, one after the other.
func (w *ward) meetAll(ds ...*device) error {
	for _, d := range ds {
		m, err := w.meet(d, 0)
		if err != nil {
			return err
		}
		w.say("  %-9s sends %2d, fetches %3d changes  %8s  %v\n", d.name, m.Sent.Changes.Changes, m.Received.Changes.Changes,
			showBytes(m.Sent.Bytes+m.Received.Bytes), round(m.took))
	}
	return nil
}

// table shows the dose of patients on each device.
func (w *ward) table(keys ...string) error {
	row := func(name string, cells ...any) {
		w.say("%s\n", strings.TrimRight(fmt.Sprintf("  %-9s %-8v %-8v %-8v", append([]any{name}, cells...)...), " "))
	}
	row("dose", w.station.name, w.tablet.name, w.phone.name)
	for _, key := range keys {
		var cells []any
		for _, d := range w.devices() {
			f, err := w.doseField(d, key)
			if err != nil {
				return err
			}
			cells = append(cells, f.Value)
		}
		row(strings.Replace(key, "-", " ", 1), cells...)
	}
	return nil
}

func (w *ward) doseField(d *device, key string) (*merge.FieldView, error) {
	v, err := d.Collection("patients").View(w.ctx, key)
	if err != nil {
		return nil, err
	}
	f, ok := v.Field("dose")
	if !ok || f.Type != crdt.TypeRegister {
		return nil, fmt.Errorf("%w: %s has no dose on the %s", errDisagree, key, d.name)
	}
	return f, nil
}

// overruled shows the doses that stand beside the one that is shown.
func (w *ward) overruled(key string) error {
	f, err := w.doseField(w.station, key)
	if err != nil {
		return err
	}
	var beside []string
	for i := range f.Candidates {
		if c := &f.Candidates[i]; i != f.Resolution.Winner {
			beside = append(beside, fmt.Sprintf("%v by %s", c.Value, author(c.Actor, c.Role, c.Entry.Dot.Origin)))
		}
	}
	c, ok := f.Winner()
	if !ok || len(beside) == 0 {
		return fmt.Errorf("%w: nothing stands beside the dose of %s", errDisagree, key)
	}
	w.say("  %-9s shown: %v by %s; overruled: %s\n", strings.Replace(key, "-", " ", 1), c.Value,
		author(c.Actor, c.Role, c.Entry.Dot.Origin), strings.Join(beside, ", "))
	return nil
}
