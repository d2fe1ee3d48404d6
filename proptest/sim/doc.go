// Package sim runs fleets of whole replicas through random histories in virtual
// time, with everything going wrong that can, and checks at the end what Concord
// promises.
//
// What runs is the code that an application runs: [replica.Replica] with its
// commits, verdicts, identity, repairs and reissues, over a simulated disk
// ([replica.Medium]), and the session core frame by frame over simulated links.
// One seed drives everything, in one goroutine: who writes what and having seen
// what, where the devices stand, when links and disks and clocks fail, and how.
// The same seed gives the same timeline, byte for byte.
//
// A history has three phases. In the first, devices write and meet while faults
// happen, each [Fault] at a rate of its own; a counter shows that it did. Then
// all heals: clocks are set, links work, damaged stores are repaired. In the last,
// everything must come to rest within a bound on sessions and on bytes. Then the
// invariants are checked, by value and by bytes: equal clocks, digests and views;
// every write that returned success there, once, under one name; and the values
// that a specification computes from what each actor did and saw, without a
// record. Replicas that get the same changes in other ways must show the same.
//
// A [Plant] is a fault put below the replica on purpose, such as a disk that lies
// about what is durable. That some history then fails shows that the simulator
// would notice.
//
// Package model beneath it takes rules of the model out one at a time.
package sim
