package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"time"

	"github.com/concord-crdt/concord/crdt"
	"github.com/concord-crdt/concord/merge"
	"github.com/concord-crdt/concord/replica"
	"github.com/concord-crdt/concord/replica/session"
)

// wardPolicy are the rules of the ward. Of doses that were written apart the
// doctor's is shown.
func wardPolicy() merge.Policy {
	return merge.Policy{
		Roles: []string{"doctor", "nurse"},
		Collections: map[string]merge.Collection{
			"patients": {
				Priority: merge.Critical,
				Fields: map[string]merge.FieldRule{
					"name":      {Type: crdt.TypeRegister, Of: merge.String},
					"dose":      {Type: crdt.TypeRegister, Of: merge.Integer, Resolve: []merge.Step{merge.Authority("doctor", "nurse"), merge.Latest}},
					"allergies": {Type: crdt.TypeSet, Of: merge.String},
				},
			},
			"notes":    {Fields: map[string]merge.FieldRule{"text": {Type: crdt.TypeText}}},
			"readings": {Priority: merge.Bulk},
		},
	}
}

// device is one of the devices of the ward, with the person who writes on it.
type device struct {
	name, person, role string
	*replica.Replica
}

// ward is the demo's stage: three stores, of which the station's answers the
// other two.
type ward struct {
	*env
	ctx                    context.Context
	policy                 merge.Policy
	station, tablet, phone *device
	address                string
	ended                  chan session.Report // of the station's sessions
	stop                   func() error
	facts                  map[string]any
}

func openWard(ctx context.Context, e *env, dir string, o replica.Options) (*ward, error) {
	w := &ward{env: e, ctx: ctx, policy: wardPolicy(), ended: make(chan session.Report, 1), facts: map[string]any{}}
	w.stop = func() error { return nil }
	w.station = &device{name: "station", person: "ward", role: ""}
	w.tablet = &device{name: "tablet", person: "Nora", role: "nurse"}
	w.phone = &device{name: "phone", person: "Deniz", role: "doctor"}
	for _, d := range w.devices() {
		o.Actor, o.Role, o.Policy = d.person, d.role, w.policy
		r, err := replica.Open(filepath.Join(dir, d.name), o)
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		d.Replica = r
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.address = l.Addr().String()
	serving, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() {
		served <- w.station.Serve(serving, l, replica.SyncOptions{}, func(_ net.Addr, r session.Report, _ error) { w.ended <- r })
	}()
	w.stop = func() error { cancel(); return <-served }
	return w, nil
}

func (w *ward) devices() []*device { return []*device{w.station, w.tablet, w.phone} }

func (w *ward) close() error {
	err := w.stop()
	for _, d := range w.devices() {
		if d.Replica != nil {
			err = errors.Join(err, d.Close())
		}
	}
	return err
}

// meeting is what one session between a device and the station did.
type meeting struct {
	session.Report
	station session.Report // the same, as the station saw it
	took    time.Duration
}

// meet holds a session of a device with the station. With a limit the line is
// cut after so many bytes from the device.
func (w *ward) meet(d *device, limit int) (m meeting, err error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(w.ctx, "tcp", w.address)
	if err != nil {
		return m, err
	}
	if limit > 0 {
		conn = &cutConn{Conn: conn, left: limit}
	}
	begun := time.Now()
	m.Report, err = d.SyncConn(w.ctx, conn, replica.SyncOptions{})
	m.took = time.Since(begun)
	select {
	case m.station = <-w.ended:
	case <-w.ctx.Done():
		return m, w.ctx.Err()
	}
	return m, err
}

// cutConn is a connection that breaks in the middle of what is written to it.
type cutConn struct {
	net.Conn
	left int
}

var errLineCut = errors.New("the line was cut")

func (c *cutConn) Write(b []byte) (int, error) {
	if len(b) <= c.left {
		c.left -= len(b)
		return c.Conn.Write(b)
	}
	n, err := c.Conn.Write(b[:c.left])
	c.left -= n
	return n, errors.Join(errLineCut, err, c.Close())
}

// fingerprint is a hash over everything that a device shows, siblings and
// versions included, and how many records that is.
func (w *ward) fingerprint(d *device) (hash string, records int, err error) {
	h := sha256.New()
	for _, name := range d.Collections() {
		for v, err := range d.Collection(name).All(w.ctx) {
			if err != nil {
				return "", 0, err
			}
			if err := w.writeRecord(h, &v); err != nil {
				return "", 0, err
			}
			records++
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)), records, nil
}

func (w *ward) writeRecord(to io.Writer, v *replica.View) error {
	return json.NewEncoder(to).Encode(jsonRecord(v, w.policy, nil))
}
