// Package teeth shows that Concord's tests would notice faults in Concord. Its
// catalogue names every fault that package planted can plant, what it breaks, and
// the histories that find it; its test counts after how many of them it is found.
//
//	go test -tags plantedfaults -run Teeth ./proptest/...
//
// There is nothing in the package but tests.
package teeth
