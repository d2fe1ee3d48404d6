package replica

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// guard runs f, and makes an error of what the engine does with damaged files:
// it panics, or reads beyond the end of a mapped file, which is a fault. Only
// what happens in this goroutine can be caught; the engine's own can end the
// process. A panic of anything but the engine's kind of fault is passed on.
func guard(what string, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if !fromEngine() {
			panic(p)
		}
		err = &CorruptError{Row: "store", Err: fmt.Errorf("%s: the engine failed: %v", what, p)}
	}()
	return f()
}

// fromEngine reports whether the panic under way was raised in the engine, and
// not in what it was called with: in a loop over a scan, say.
func fromEngine() bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		switch {
		case inPackage(f.Function, "github.com/dgraph-io/"):
			return true
		case inPackage(f.Function, "github.com/concord-crdt/concord/") && !inPackage(f.Function, ownGuard):
			return false
		}
		if !more {
			return false
		}
	}
}

func inPackage(function, prefix string) bool {
	return len(function) >= len(prefix) && function[:len(prefix)] == prefix
}

// ownGuard is guard and its deferred functions, which stand above the panic.
const ownGuard = "github.com/concord-crdt/concord/replica.guard"
