package sim

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is a kind of thing that goes wrong.
type Fault uint8

// The faults.
const (
	FaultDrop      Fault = iota // a message is lost, and the link with it, later
	FaultDuplicate              // a message comes twice
	FaultReorder                // two messages change places
	FaultDelay                  // a message takes minutes
	FaultCorrupt                // bits of a message turn
	FaultCut                    // the connection ends in the middle of a frame
	FaultOneWay                 // for a while nothing passes in one direction
	FaultPartition              // for hours or days nothing passes at all
	FaultSlow                   // a link of some hundred bytes a second
	FaultHostile                // a frame that announces more than there is
	FaultBundle                 // changes come as files, late, twice, out of order, cut
	FaultRestart                // the process ends in good order and begins again
	FaultKill                   // the process is killed, also in the middle of a write
	FaultPower                  // power is lost, and what was not synced with it
	FaultFull                   // the disk is full for a while
	FaultIO                     // the disk fails for a while
	FaultFlip                   // a bit of what is stored turns
	FaultTruncate               // the end of the log, or of a file, is gone
	FaultRestore                // an older copy of the directory takes its place
	FaultClone                  // the directory is copied to another device, and both go on
	FaultForward                // the clock goes forward by hours
	FaultBack                   // the clock goes back by hours
	FaultFrozen                 // the clock stands still
	Fault1970                   // the clock was never set
	Fault2099                   // the clock is set to 2099
	FaultSchema                 // a device has the schema of the version before
	FaultUnknown                // a field is written that another's schema does not have
	FaultMark                   // the steward settles the past, whatever else goes on
	FaultAway                   // a device is away for weeks, and the past is settled without it
	FaultRestamp                // a device puts changes right that its clock stamped ahead of the time
	FaultQuota                  // a device may hold little, and takes nothing more for a while
	FaultLater                  // a device of a later version writes what this one does not know
	FaultVersion                // a device of another version of the protocol calls
	faults
)

var faultNames = [faults]string{
	"drop", "duplicate", "reorder", "delay", "corrupt", "cut", "one-way", "partition", "slow", "hostile", "bundle",
	"restart", "kill", "power", "full", "io", "flip", "truncate", "restore", "clone",
	"forward", "back", "frozen", "1970", "2099", "schema", "unknown",
	"mark", "away", "restamp", "quota", "later", "version",
}

// String is the fault's name.
func (f Fault) String() string {
	if f < faults {
		return faultNames[f]
	}
	return fmt.Sprintf("fault(%d)", uint8(f))
}

// Faults lists all faults.
func Faults() []Fault {
	list := make([]Fault, faults)
	for i := range list {
		list[i] = Fault(i)
	}
	return list
}

// ParseFaults reads names separated by commas; "all" and "none" stand for
// themselves.
func ParseFaults(s string) ([]Fault, error) {
	switch s {
	case "all":
		return Faults(), nil
	case "none":
		return []Fault{}, nil
	}
	var list []Fault
	for name := range strings.SplitSeq(s, ",") {
		i := slices.Index(faultNames[:], name)
		if i < 0 {
			return nil, fmt.Errorf("sim: no fault %q; use some of %s, or all, or none", name, strings.Join(faultNames[:], ","))
		}
		list = append(list, Fault(i))
	}
	return list, nil
}

// Counters say how often each fault happened.
type Counters [faults]uint64

func (c *Counters) count(f Fault) { c[f]++ }

// Of is how often a fault happened.
func (c *Counters) Of(f Fault) uint64 { return c[f] }

// Add adds others' counts.
func (c *Counters) Add(o *Counters) {
	for i := range c {
		c[i] += o[i]
	}
}

// Plant is a fault put below the replica on purpose.
type Plant uint8

// The plants. Each breaks a promise on which the replica builds.
const (
	NoPlant           Plant = iota
	PlantSync               // the disk acknowledges what is not durable
	PlantTorn               // the disk writes a part of a group when the process dies
	PlantMarks              // the disk keeps the first files of the identity and drops later ones
	PlantRead               // the disk sometimes reads a row as it was before
	PlantIncarnations       // the next incarnation is the next number, not a random one
	PlantApplied            // a session tells as applied what only waits
	plants
)

var plantNames = [plants]string{"nothing", "a disk that lies about syncing", "a disk that tears groups",
	"a disk that forgets marks", "a disk that reads old rows", "incarnations that count", "waiting told as applied"}

// String is the plant in words.
func (p Plant) String() string { return plantNames[p] }

// Plants lists all plants.
func Plants() []Plant {
	var list []Plant
	for p := PlantSync; p < plants; p++ {
		list = append(list, p)
	}
	return list
}
