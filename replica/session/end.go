package session

// conclude says what is to be said when there is nothing more to send, and ends
// the session when neither side has.
func (c *Core) conclude() {
	if c.saidBye || c.peerHello == nil || !c.said {
		if c.stopping && !c.saidBye {
			c.sayBye(ByeStopped, "")
			c.close(nil)
		}
		return
	}
	if c.stopping && len(c.send.flight) == 0 && c.send.ready == nil && len(c.recv.queue) == 0 {
		c.sayBye(ByeStopped, "")
		return
	}
	if !c.idle() {
		return
	}
	if c.peerRound > 0 && c.saidCaughtUp != c.peerRound+1 {
		c.saidCaughtUp = c.peerRound + 1
		c.write(frameCaughtUp, 0, encodeCaughtUp(c.peerRound))
	}
	if c.peerCaughtUp != c.ownRound+1 || c.peerRound == 0 && c.ownRound > 0 || len(c.recv.queue) > 0 {
		return
	}
	if !c.caughtUp {
		c.caughtUp = true
		c.event(CaughtUp{})
	}
	if c.live {
		c.enter(PhaseLive)
		return
	}
	if !c.owes() {
		c.sayBye(ByeDone, "")
	}
}

func (c *Core) sayBye(code ByeCode, reason string) {
	c.saidBye = true
	c.byeAt = c.now
	b := bye{code, reason}
	c.write(frameBye, 0, b.encode())
}

func (c *Core) onBye(body []byte) {
	b, err := decodeBye(body)
	if err != nil {
		c.fail(classify("bye", err))
		return
	}
	quiet := len(c.send.flight) == 0 && len(c.recv.queue) == 0
	switch {
	case b.code != ByeDone && b.code != ByeStopped:
		err = &PeerError{b.code, b.reason}
	case c.saidBye:
	case b.code == ByeDone:
		// Both sides end when both are caught up: this one would have said so.
		c.fail(violation("the peer ended the session before everything was exchanged"))
		return
	default:
		c.sayBye(ByeDone, "")
		if !c.caughtUp || !quiet {
			err = &PeerError{b.code, b.reason}
		}
	}
	c.close(err)
}

func (c *Core) onCaughtUp(body []byte) {
	round, err := decodeCaughtUp(body)
	if err != nil {
		c.fail(classify("caught up", err))
		return
	}
	if round > c.ownRound || c.ownRound == 0 {
		c.fail(violation("caught up with status %d of %d", round, c.ownRound))
		return
	}
	c.peerCaughtUp = round + 1
	c.peerChecked()
}
