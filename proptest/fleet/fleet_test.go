package fleet_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/concord-crdt/concord/proptest/fleet"
	"github.com/concord-crdt/concord/proptest/scenario"
)

// TestScenarios runs the files that describe how Concord behaves. Scenarios that
// need what is not there yet are skipped, with the reason.
func TestScenarios(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/scenarios/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenario files: %v", err)
	}
	began := time.Now()
	runner := scenario.Runner{Opener: fleet.Opener{Dir: t.TempDir()}, Elapsed: func() time.Duration { return time.Since(began) }}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := scenario.Parse(path, data)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(file.Group, func(t *testing.T) {
			for _, s := range file.Scenarios {
				t.Run(s.ID, func(t *testing.T) {
					if underRace && s.ID == "reg-09" {
						t.Skip("70,000 writes take minutes under the race detector; a run without it has them")
					}
					t.Parallel()
					result := runner.Scenario(s)
					result.Group = file.Group
					switch result.Outcome {
					case scenario.Skipped:
						t.Skip(result.Reason)
					case scenario.Failed:
						t.Error(result)
					default:
						if len(result.Costs) > 0 {
							t.Log(result)
						}
					}
				})
			}
		})
	}
}
