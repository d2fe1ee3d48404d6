package scenario

import "fmt"

// doEngine performs the steps about stores and sync sessions.
func (r *run) doEngine(s *Step) error {
	switch s.Do {
	case "bulk_put":
		b, err := as[BulkReplica](r.replicas[s.On], CanBulkPut)
		if err != nil {
			return err
		}
		return b.BulkPut(s.Obj, s.Records, s.BytesEach)
	case "touch":
		b, err := as[BulkReplica](r.replicas[s.On], CanTouch)
		if err != nil {
			return err
		}
		return b.Touch(s.Obj, s.N)
	case "measure_sync":
		m, err := as[Meter](r.world, CanMeasureSync)
		if err != nil {
			return err
		}
		cost, err := m.MeasureSync(s.From, s.To)
		r.sync = &cost
		return err
	case "sync_with_drops":
		d, err := as[Dropper](r.world, CanDropSync)
		if err != nil {
			return err
		}
		return d.SyncWithDrops(s.From, s.To, s.DropAfter)
	case "sync_stepwise":
		return r.syncStepwise(s)
	case "sync_with_budget":
		p, err := as[Stepper](r.world, CanBudgetSync)
		if err != nil {
			return err
		}
		return p.SyncWithBudget(s.From, s.To, s.Fits)
	case "kill_during":
		c, err := as[Crasher](r.world, CanKill)
		if err != nil {
			return err
		}
		return c.KillDuring(s.What, s.On, s.From, s.Points)
	case "crash_loop":
		return r.crashLoop(s)
	case "open_again":
		l, err := as[Locker](r.world, CanOpenAgain)
		if err != nil {
			return err
		}
		return l.OpenAgain(s.On)
	case "disk_full", "disk_free":
		d, err := as[DiskFiller](r.world, CanFillDisk)
		if err != nil {
			return err
		}
		if s.Do == "disk_full" {
			return d.FillDisk(s.On)
		}
		return d.FreeDisk(s.On)
	case "gc":
		c, err := as[Collector](r.world, CanCollect)
		if err != nil {
			return err
		}
		return c.Collect(s.On)
	}
	return fmt.Errorf("scenario: %s is no step of stores or sessions", s.Do)
}

func (r *run) syncStepwise(s *Step) error {
	p, err := as[Stepper](r.world, CanStepSync)
	if err != nil {
		return err
	}
	at := r.at
	called := false
	then := func() error {
		called = true
		return r.steps(s.Steps, at+".")
	}
	if err := p.SyncStepwise(s.From, s.To, s.Checks, s.After, then); err != nil {
		return err
	}
	r.at, r.current = at, s
	if !called && len(s.Steps) > 0 {
		return errorf("the steps under then never ran: the transfer ended before %g%%", float64(s.After))
	}
	return nil
}

func (r *run) crashLoop(s *Step) error {
	c, err := as[Crasher](r.world, CanCrashLoop)
	if err != nil {
		return err
	}
	replica := r.replicas[s.On]
	edits, err := s.Inner.edits(func(t Target, unit string) (int, error) { return r.length(replica, t, unit) })
	if err != nil {
		return err
	}
	if len(edits) != 1 {
		return fmt.Errorf("scenario: the op of a crash_loop is one edit, and %s is %d", s.Inner.Do, len(edits))
	}
	return c.CrashLoop(s.On, s.Times, edits[0])
}
