package trace

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxTraceBytes is how much JSON a trace may be.
const maxTraceBytes = 1 << 30

// Open reads the trace in a file, gzipped or not. Its name is the file's,
// without the endings.
func Open(path string) (*Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrFormat, path, err)
		}
		r = z
	}
	t, err := Read(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t.Name = strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".gz"), ".json")
	return t, nil
}

// file is the JSON of both kinds.
type file struct {
	Kind         string  `json:"kind"`
	NumAgents    int     `json:"numAgents"`
	StartContent string  `json:"startContent"`
	EndContent   *string `json:"endContent"`
	Txns         []struct {
		Agent   int     `json:"agent"`
		Parents []int   `json:"parents"`
		Patches []Patch `json:"patches"`
	} `json:"txns"`
}

// Read reads the JSON of a trace. What a sequential one starts with becomes its
// first transaction.
func Read(r io.Reader) (*Trace, error) {
	limited := &io.LimitedReader{R: r, N: maxTraceBytes}
	var f file
	if err := json.NewDecoder(limited).Decode(&f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if f.EndContent == nil || len(f.Txns) == 0 {
		return nil, fmt.Errorf("%w: it has no endContent or no txns", ErrFormat)
	}
	concurrent := f.Kind == "concurrent"
	t := &Trace{Agents: 1, End: *f.EndContent, Txns: make([]Txn, 0, len(f.Txns)+1)}
	if concurrent {
		t.Agents = f.NumAgents
	} else if f.StartContent != "" {
		t.Txns = append(t.Txns, Txn{Patches: []Patch{{Insert: f.StartContent}}})
	}
	for _, x := range f.Txns {
		y := Txn{Agent: x.Agent, Parents: x.Parents, Patches: x.Patches}
		if !concurrent {
			y.Agent, y.Parents = 0, nil
			if n := len(t.Txns); n > 0 {
				y.Parents = []int{n - 1}
			}
		}
		t.Txns = append(t.Txns, y)
	}
	if _, err := t.Histories(); err != nil {
		return nil, err
	}
	return t, nil
}

// UnmarshalJSON reads [position, deleted, inserted].
func (p *Patch) UnmarshalJSON(b []byte) error {
	parts := []any{&p.Pos, &p.Delete, &p.Insert}
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if len(parts) != 3 {
		return fmt.Errorf("patch of %d parts; want position, deleted, inserted", len(parts))
	}
	if p.Pos < 0 || p.Delete < 0 {
		return fmt.Errorf("patch at %d deletes %d", p.Pos, p.Delete)
	}
	return nil
}
