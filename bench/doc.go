// Package bench measures Concord beside what it stands on and beside others, in
// the same run: ratios hold from machine to machine, times do not. README.md has
// the commands.
//
//   - BenchmarkCommit: local changes beside bare transactions of the engine
//     below the store, opened with the same options.
//   - BenchmarkTrace: recorded editing sessions through the sequence engine, as
//     their author, and as who receives them. peers/ has the same for other
//     libraries.
//   - Packages trace and replay run the recordings with all their concurrency.
package bench
