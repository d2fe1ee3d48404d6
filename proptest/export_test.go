package proptest

import (
	"math/rand/v2"

	"github.com/concord-crdt/concord/crdt"
)

// RandomScenario writes a random history of records as a scenario.
func RandomScenario(t Type[Document, *crdt.Change], seed uint64) (file []byte, without string) {
	for l := range laws(&t) {
		if l.expect == nil {
			continue
		}
		o := Options{}.withDefaults()
		shape := l.shape(&t, o)
		shape.restart = true
		h := shape.draw(rand.New(rand.NewPCG(seed, 3)))
		return l.scenario(&t, &Failure{Subject: t.Name, Law: l.name, History: int(seed)}, h)
	}
	return nil, "no law has an expectation"
}
