package merge_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/concord-crdt/concord/merge"
)

// The policy that the manual shows has no finding.
func TestPolicyOfTheManual(t *testing.T) {
	b, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "```yaml\n")
	text, _, found := strings.Cut(text, "```")
	if !found {
		t.Fatal("docs/policy.md shows no policy")
	}
	p := parsed(t, "docs/policy.md", text)
	if _, findings := p.Compile(nil); len(findings) > 0 {
		t.Error(findings.Err())
	}
}

// The digest names the evaluator that the module uses: another version may
// answer otherwise, and then replicas must notice.
func TestDigestNamesTheEvaluator(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("digest.go")
	if err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile(`cel\.dev/cel-go (v\S+)`).FindSubmatch(mod)
	if used == nil || !strings.Contains(string(source), `evaluatorVersion = "cel-go `+string(used[1])) {
		t.Errorf("go.mod has cel-go %s, and evaluatorVersion says otherwise", used)
	}
	plain, ruled := ward(), ward()
	dose := ruled.Collections["medication"].Fields["dose"]
	dose.Resolve = []merge.Step{merge.Rank("candidate.value"), merge.Latest}
	ruled.Collections["medication"].Fields["dose"] = dose
	if plain.Digest() == ruled.Digest() {
		t.Error("an expression leaves the digest alone")
	}
}
