package replica

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/concord-crdt/concord/clock"
	"github.com/concord-crdt/concord/internal/planted"
)

// binding is where an incarnation is at home: a machine, a directory, and a
// token that is in the store too, so that neither can be put back without the
// other.
type binding struct {
	machine   [16]byte // a hash of the machine's id; zero where there is none
	directory uint64   // the directory's number on its file system; zero where there is none
	token     [16]byte
}

const tokenName = "token"

// home is the binding of a directory on this machine, without the token. The
// device is not part of it: its number may change when the machine starts.
func home(dir string) (b binding) {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if id, err := os.ReadFile(path); err == nil && len(strings.TrimSpace(string(id))) > 0 {
			sum := sha256.Sum256(append([]byte("concord machine "), strings.TrimSpace(string(id))...))
			copy(b.machine[:], sum[:])
			break
		}
	}
	b.directory = directoryNumber(dir)
	return b
}

// home is where the replica is now.
func (r *Replica) home() (b binding) {
	if r.options.Medium == nil {
		return home(r.path)
	}
	b.machine, b.directory = r.options.Medium.Home()
	return b
}

// checkIdentity decides whether the replica surely remembers all that it ever
// told anyone, and is the only one of its name. If not, its next write starts a
// new incarnation; a replica that is only read keeps its name. fresh says that
// the side file was made just now. The caller holds r.mu, and the store is
// loaded.
func (r *Replica) checkIdentity(fresh bool) error {
	if r.sideIO.files == nil {
		return nil
	}
	token, found, err := r.readToken()
	if err != nil {
		return err
	}
	if fresh {
		return r.bind(false)
	}
	here, was := r.home(), r.side.Binding
	r.shared = r.shared || here.machine != was.machine || here.directory != was.directory || !found || token != was.token
	switch {
	case here.machine != was.machine:
		r.doubt("the directory was used on another machine")
	case here.directory != was.directory:
		r.doubt("the directory is a copy")
	case !found || token != was.token:
		r.doubt("the store and the identity beside it do not belong together")
	}
	for name, s := range r.scopes {
		if _, sealed := s.seals.Of(r.origin); sealed {
			r.shared = true
			r.doubt(fmt.Sprintf("the incarnation is sealed in scope %q", name))
		}
	}
	for name, mark := range r.side.Marks {
		var last uint64
		if s := r.scopes[name]; s != nil {
			last = s.stored.Get(r.origin)
		}
		if last < mark {
			r.doubt(fmt.Sprintf("scope %q ends at the own change %d; a peer may have seen %d", name, last, mark))
		}
	}
	return nil
}

// doubt ends the incarnation, as of the next write.
func (r *Replica) doubt(reason string) {
	if !r.renew {
		r.log.Warn("the next write starts a new incarnation", "reason", reason)
	}
	r.renew = true
}

func (r *Replica) readToken() (token [16]byte, found bool, err error) {
	key := metaKey(tokenName)
	v, found, err := r.store.get(key)
	if err != nil || !found {
		return token, false, err
	}
	b, err := decodePlain("token", key, v)
	if err != nil {
		r.damaged(Damage{Row: "token", Key: key, Err: err})
		return token, false, nil
	}
	return token, copy(token[:], b) == len(token), nil
}

// bind makes this place the home of the incarnation. The side file is written
// first: a crash before the store has the token costs one more incarnation.
func (r *Replica) bind(renewed bool) error {
	before := *r.side
	b := r.home()
	if _, err := io.ReadFull(r.options.Rand, b.token[:]); err != nil {
		return fmt.Errorf("replica: make a token: %w", err)
	}
	r.side.Binding = b
	if renewed {
		n, err := randomIncarnation(r.options.Rand)
		if err != nil {
			return err
		}
		if planted.Is(planted.CountedIncarnation) {
			n = r.side.Incarnation + 1
		}
		r.side.Incarnation, r.side.Marks = n, map[string]uint64{}
	}
	if err := r.sideIO.write(r.side); err != nil {
		generation := r.side.Generation
		*r.side = before
		r.side.Generation = generation
		return err
	}
	key := metaKey(tokenName)
	g := group{{key, encodePlain(key, b.token[:])}}
	if renewed {
		g = append(g, r.finish(before.origin(), before.Marks))
	}
	r.origin = r.side.origin()
	r.stage(g)
	return nil
}

// newIncarnation ends the present one. The side file names the new one before
// anything is written under it.
func (r *Replica) newIncarnation() error {
	if err := r.bind(true); err != nil {
		return err
	}
	r.renew = false
	return nil
}

// renewed starts the new incarnation that is due. The caller holds r.mu.
func (r *Replica) renewed() error {
	if !r.renew || planted.Is(planted.ReusedDot) {
		return nil
	}
	return r.newIncarnation()
}

// startIncarnation starts the new incarnation that is due, if one is: a peer
// must not hear of the old one as of one that goes on. The caller does not hold
// r.mu.
func (r *Replica) startIncarnation() error {
	r.mu.Lock()
	if !r.renew || r.closed {
		r.mu.Unlock()
		return nil
	}
	err := r.renewed()
	b := r.commits.current
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.await(b)
}

// offer notes durably that peers may see the own changes of a scope up to n,
// which are durable themselves by then. It costs one flush of a small file when
// n is new, and nothing when it is not. The caller does not hold r.mu.
func (r *Replica) offer(scope string, o clock.Origin, n uint64) error {
	r.mu.Lock()
	if o != r.origin || r.side.Marks[scope] >= n {
		r.mu.Unlock()
		return nil
	}
	r.mu.Unlock()
	if r.options.Durability == Relaxed {
		if err := r.store.sync(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.side.Marks[scope]
	if o != r.origin || before >= n {
		return nil
	}
	r.side.Marks[scope] = n
	if err := r.sideIO.write(r.side); err != nil {
		r.side.Marks[scope] = before
		return err
	}
	return nil
}
