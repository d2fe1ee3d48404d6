package sim

import "time"

// event is something that happens at a moment of virtual time.
type event struct {
	at  time.Duration
	seq uint64 // of those at one moment the one that was planned first comes first
	do  func()
}

// schedule is a heap of events.
type schedule struct {
	events []event
	seq    uint64
}

func (a *event) before(b *event) bool {
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (s *schedule) add(at time.Duration, do func()) {
	s.seq++
	s.events = append(s.events, event{at, s.seq, do})
	for i := len(s.events) - 1; i > 0; {
		up := (i - 1) / 2
		if !s.events[i].before(&s.events[up]) {
			break
		}
		s.events[i], s.events[up] = s.events[up], s.events[i]
		i = up
	}
}

// next takes out the first event; ok is false if there is none.
func (s *schedule) next() (e event, ok bool) {
	n := len(s.events)
	if n == 0 {
		return e, false
	}
	e = s.events[0]
	s.events[0] = s.events[n-1]
	s.events[n-1] = event{}
	s.events = s.events[:n-1]
	for i := 0; ; {
		least := i
		for _, k := range [2]int{2*i + 1, 2*i + 2} {
			if k < n-1 && s.events[k].before(&s.events[least]) {
				least = k
			}
		}
		if least == i {
			return e, true
		}
		s.events[i], s.events[least] = s.events[least], s.events[i]
		i = least
	}
}
