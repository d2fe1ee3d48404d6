package session

import (
	"fmt"
	"testing"
)

// BenchmarkTransfer sends changes of one origin over an ideal link to a store in
// memory, and reports what they weigh on the wire, with everything, and in their
// canonical form.
func BenchmarkTransfer(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("changes=%d", n), func(b *testing.B) {
			from := newFake('a')
			from.self.Incarnation = 1<<63 + 1
			from.writeMany("visits", n)
			b.ReportAllocs()
			var r Report
			for b.Loop() {
				to := newFake('b')
				to.self.Incarnation = 1<<63 + 2
				r, _ = mustSync(b, from, to, Config{}, Config{})
				if to.has("visits", from.self) != n {
					b.Fatal("not everything arrived")
				}
			}
			b.ReportMetric(float64(r.Sent.Bytes)/float64(n), "wire-B/change")
			b.ReportMetric(float64(r.Sent.Changes.Bytes)/float64(n), "canonical-B/change")
			b.ReportMetric(float64(r.Received.Bytes)/float64(n), "back-B/change")
		})
	}
}

// BenchmarkKeystroke pushes one change at a time in a live session.
func BenchmarkKeystroke(b *testing.B) {
	x, y := newFake('a'), newFake('b')
	var n net
	p := n.connect(x, y, Config{Live: true}, Config{Live: true})
	n.run()
	before := p.a.core.report.Sent.Bytes
	i := 0
	for b.Loop() {
		x.write("text", fmt.Sprint(i), "ann")
		n.run()
		p.a.events, p.b.events, p.a.sent, p.b.sent = nil, nil, nil, nil
		i++
	}
	if y.has("text", x.self) != i {
		b.Fatal("not everything arrived")
	}
	b.ReportMetric(float64(p.a.core.report.Sent.Bytes-before)/float64(i), "wire-B/change")
	b.ReportMetric(float64(p.a.core.report.Sent.Changes.Bytes)/float64(i), "canonical-B/change")
}

// BenchmarkNothingToDo holds sessions between stores that hold the same.
func BenchmarkNothingToDo(b *testing.B) {
	x, y := newFake('a'), newFake('b')
	x.writeMany("visits", 100)
	mustSync(b, x, y, Config{}, Config{})
	b.ReportAllocs()
	var r Report
	for b.Loop() {
		r, _ = mustSync(b, x, y, Config{}, Config{})
	}
	b.ReportMetric(float64(r.Sent.Bytes), "wire-B")
}
