package proptest_test

import (
	"errors"
	"fmt"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/proptest"
)

// poll is a user's own type, made of two of Concord's: the options, and who
// voted how often.
type poll struct {
	options crdt.Set[string]
	votes   crdt.Counter
}

// pollDelta is what changed of a poll.
type pollDelta struct{ options, votes *crdt.Delta }

// A type is described by a few functions. The right one passes every law; the
// wrong one leaves the votes out when a poll is joined as a whole.
func Example() {
	polls := proptest.Type[poll, *pollDelta]{
		Name: "poll",
		New: func(r *proptest.Replica) poll {
			return poll{crdt.NewSet[string](r.Origin()), crdt.NewCounter(r.Origin())}
		},
		Operations: []proptest.Operation[poll, *pollDelta]{
			{Name: "offer", Do: func(p *poll, c *proptest.Call) (*pollDelta, error) {
				d, err := p.options.Add(proptest.Pick(c, "tea", "coffee"))
				return &pollDelta{options: d}, err
			}},
			{Name: "withdraw", Do: func(p *poll, c *proptest.Call) (*pollDelta, error) {
				d, err := p.options.Remove(proptest.Pick(c, "tea", "coffee"))
				if d == nil {
					return nil, err // it was not there: nothing to send
				}
				return &pollDelta{options: d}, err
			}},
			{Name: "vote", Do: func(p *poll, c *proptest.Call) (*pollDelta, error) {
				d, err := p.votes.Add(1)
				return &pollDelta{votes: d}, err
			}},
		},
		Join: func(p *poll, o poll) error {
			p.options.JoinState(o.options.State(), nil)
			p.votes.JoinState(o.votes.State(), nil)
			return nil
		},
		JoinDelta: func(p *poll, d *pollDelta) error {
			return errors.Join(p.options.Join(d.options, nil), p.votes.Join(d.votes, nil))
		},
		Equal: func(a, b poll) bool {
			return a.options.State().Digest() == b.options.State().Digest() && a.votes.State().Digest() == b.votes.State().Digest()
		},
		View: func(p poll) any {
			return map[string]any{"options": p.options.Values(), "votes": p.votes.Value()}
		},
	}
	fmt.Println("poll:", proptest.Check(polls, proptest.Options{Histories: 40}))

	polls.Name = "poll without votes"
	polls.Join = func(p *poll, o poll) error {
		p.options.JoinState(o.options.State(), nil)
		return nil
	}
	wrong, _ := errors.AsType[*proptest.Failure](proptest.CheckDelta(polls, proptest.Options{}))
	fmt.Println(wrong)
	// Output:
	// poll: <nil>
	// proptest: poll without votes breaks "delivered twice": a delta that comes again changes nothing, whatever was done since
	//    1  B  vote   (change 1)                        shows {"options":[] "votes":1}
	//    2  A  joins the state of B                     shows {"options":[] "votes":0}
	//    3  A  gets change 1 of B again                 shows {"options":[] "votes":1}
	//   A is changed by a delta that it has
	//     A: {"options":[] "votes":1}
	//     A before: {"options":[] "votes":0}
	//   seed 20300101, history 2, made simpler 14 times
	//   no scenario file: the format has no words for "vote" of poll without votes
}
