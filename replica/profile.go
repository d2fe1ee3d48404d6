package replica

import "github.com/dgraph-io/badger/v4"

// Profile is the size of the machine that a store is made for. It may change
// from one opening to the next.
type Profile uint8

const (
	// Small suits a phone: small tables, no caches. The default.
	Small Profile = iota
	// Large suits a server: more memory, and less work for it.
	Large
)

// SmallFootprint are the options for a phone or a small device: the defaults, and
// of settled history the last 4 MiB of a scope.
func SmallFootprint() Options { return Options{HistoryBytes: 4 << 20} }

// Server are options for a machine with memory to spare: some 500 MiB for the
// store, a quarter of a GiB for decoded records, and of settled history the last
// GiB of a scope.
func Server() Options { return Options{Profile: Large, CacheBytes: 256 << 20, HistoryBytes: 1 << 30} }

// memTable is the size of one of the engine's tables in memory. A transaction
// holds 15 % of it at most.
func (p Profile) memTable() int64 {
	if p == Large {
		return 64 << 20
	}
	return 16 << 20
}

// apply sets what the engine takes. Every value stays below the threshold, so
// that the value log is empty: the engine loses its end silently.
func (p Profile) apply(b badger.Options) badger.Options {
	b = b.WithMemTableSize(p.memTable()).WithValueThreshold(1 << 20).WithCompression(0)
	if p == Large {
		return b.WithNumMemtables(4).WithValueLogFileSize(64 << 20).
			WithBlockCacheSize(0).WithIndexCacheSize(0)
	}
	return b.WithNumMemtables(2).
		WithNumLevelZeroTables(2).WithNumLevelZeroTablesStall(4).WithNumCompactors(2).
		WithBaseTableSize(1 << 20).WithBaseLevelSize(4 << 20).WithValueLogFileSize(16 << 20).
		WithBlockCacheSize(0).WithIndexCacheSize(0)
}
