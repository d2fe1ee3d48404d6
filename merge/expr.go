package merge

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/concord-crdt/concord/clock"
)

// What an expression may weigh and cost. All replicas have the same limits: one
// that gave up earlier than another would show something else.
const (
	maxExprBytes   = 4096
	maxExprDepth   = 64
	maxExprNesting = 2       // comprehensions within each other
	maxExprCost    = 100_000 // in cel-go's units, one evaluation
)

// exprEnv is what all expressions have in common.
var exprEnv = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewCustomEnv(
		cel.StdLib(),
		cel.EnableIdentifierEscapeSyntax(),
		cel.ParserRecursionLimit(maxExprDepth),
		cel.ParserExpressionSizeLimit(maxExprBytes),
		cel.ASTValidators(
			cel.ValidateDurationLiterals(),
			cel.ValidateTimestampLiterals(),
			cel.ValidateRegexLiterals(),
			cel.ValidateComprehensionNestingLimit(maxExprNesting),
		),
		cel.CustomTypeAdapter(valueAdapter{}),
	)
})

// expression is a CEL expression that passed all checks.
type expression struct {
	env *cel.Env
	ast *cel.Ast
	// reads are the fields of the record that it reads.
	reads []string
	// refs are the fields that it reads of referenced records, by reference.
	refs map[string][]string
	// base reports whether it reads the common ancestor's value.
	base bool
	// ofCandidate reports whether it reads the candidate or its evidence, and
	// so can tell candidates apart.
	ofCandidate bool
}

// compileExpr types an expression under an environment. want says what is
// wrong with a type of result, or nothing.
func compileExpr(env *cel.Env, text string, want func(*ast.AST) string) (*expression, []exprFault) {
	if len(text) > maxExprBytes {
		return nil, []exprFault{{problem: fmt.Sprintf("the expression has %d bytes, more than %d", len(text), maxExprBytes), remedy: "shorten it"}}
	}
	if strings.TrimSpace(text) == "" {
		return nil, []exprFault{{problem: "the expression is empty", remedy: "write a condition or a key, or leave the rule out"}}
	}
	checked, issues := env.Compile(text)
	if issues != nil && issues.Err() != nil {
		var fs []exprFault
		for _, e := range issues.Errors() {
			fs = append(fs, newExprFault(e.Location.Line(), e.Location.Column(), e.Message))
		}
		return nil, fs
	}
	x := &expression{env: env, ast: checked}
	if fs := x.inspect(); len(fs) > 0 {
		return nil, fs
	}
	if problem := want(checked.NativeRep()); problem != "" {
		return nil, []exprFault{{problem: problem, remedy: "see what the step takes: a boolean, or a key of integers, strings, booleans and timestamps"}}
	}
	return x, nil
}

// program makes the expression ready to run. An expression that can cost more
// than the limit is metered, which makes it slower.
func (x *expression) program() (*program, error) {
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	estimate, err := x.env.EstimateCost(x.ast, unknownSizes{})
	if err != nil || estimate.Max > maxExprCost {
		options = append(options, cel.CostLimit(maxExprCost))
	}
	p, err := x.env.Program(x.ast, options...)
	if err != nil {
		return nil, fmt.Errorf("merge: expression %q: %w", x.ast.Source().Content(), err)
	}
	return &program{p}, nil
}

// unknownSizes tells the estimator nothing of the data: a loop over it is then
// taken to be long, and metered.
type unknownSizes struct{}

func (unknownSizes) EstimateSize(cost.AstNode) *cost.SizeEstimate { return nil }
func (unknownSizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// program is an expression that can be evaluated. Safe for concurrent use.
type program struct{ cel cel.Program }

func (p *program) eval(in *exprInputs) (ref.Val, error) {
	v, _, err := p.cel.Eval(in)
	if err != nil {
		return nil, fmt.Errorf("merge: expression: %w", err)
	}
	return v, nil
}

// holds evaluates a condition. One that fails does not hold.
func (p *program) holds(in *exprInputs) (bool, error) {
	v, err := p.eval(in)
	if err != nil {
		return false, err
	}
	return v == types.True, nil
}

// errKeyType means that a key came out as what no key can be.
var errKeyType = errors.New("merge: expression gives no key")

// key evaluates a rank. One that fails gives the empty key, which is the least.
func (p *program) key(in *exprInputs) (Key, error) {
	v, err := p.eval(in)
	if err != nil {
		return Key{}, err
	}
	if a, ok := atomOf(v); ok {
		return KeyOf(a), nil
	}
	l, ok := v.(interface {
		Get(ref.Val) ref.Val
		Size() ref.Val
	})
	if !ok {
		return Key{}, errKeyType
	}
	n, ok := l.Size().(types.Int)
	if !ok {
		return Key{}, errKeyType
	}
	var room [4]Atom
	atoms := room[:0]
	for i := range n {
		a, ok := atomOf(l.Get(i))
		if !ok {
			return Key{}, errKeyType
		}
		atoms = append(atoms, a)
	}
	return KeyOf(atoms...), nil
}

func atomOf(v ref.Val) (Atom, bool) {
	switch v := v.(type) {
	case types.Bool:
		return Bool(bool(v)), true
	case types.Int:
		return Int(int64(v)), true
	case types.String:
		return Text(string(v)), true
	case types.Timestamp:
		return Moment(v.Time), true
	}
	return Atom{}, false
}

// isBoolean wants a condition.
func isBoolean(a *ast.AST) string {
	if t := a.GetType(a.Expr().ID()); !t.IsExactType(types.BoolType) {
		return fmt.Sprintf("it gives %s, not a boolean", typeName(t))
	}
	return ""
}

// isKey wants what a key can be made of. A list in brackets is judged element
// by element: its elements may be of different types.
func isKey(a *ast.AST) string {
	root := a.Expr()
	if root.Kind() == ast.ListKind {
		if root.AsList().Size() == 0 {
			return "it gives an empty list, the same key for all"
		}
		for i, e := range root.AsList().Elements() {
			if t := a.GetType(e.ID()); !isAtomType(t) {
				return fmt.Sprintf("place %d of the key is %s", i+1, typeName(t))
			}
		}
		return ""
	}
	t := a.GetType(root.ID())
	if isAtomType(t) || t.Kind() == types.ListKind && isAtomType(t.Parameters()[0]) {
		return ""
	}
	return "it gives " + typeName(t) + ", which is no key"
}

func isAtomType(t *types.Type) bool {
	switch t.Kind() {
	case types.BoolKind, types.IntKind, types.StringKind, types.TimestampKind:
		return true
	}
	return false
}

// typeName is a type for people.
func typeName(t *types.Type) string {
	switch t.Kind() {
	case types.BoolKind:
		return "a boolean"
	case types.IntKind:
		return "an integer"
	case types.DoubleKind:
		return "a floating-point number"
	case types.DynKind, types.AnyKind:
		return "of a kind that is not declared"
	case types.TimestampKind:
		return "a timestamp"
	}
	return "a " + t.String()
}

// exprInputs is what an expression reads: it answers the evaluator's questions
// for names, one candidate at a time.
type exprInputs struct {
	set   []Candidate
	left  []int // those among set that are still in play
	facts *Facts
	now   int // the candidate in question, -1 for none
	all   ref.Val
	base  func(any) any // the field's shape
}

// Parent is nil: there is no outer scope.
func (in *exprInputs) Parent() cel.Activation { return nil }

// ResolveName gives what stands under a top-level name.
func (in *exprInputs) ResolveName(name string) (any, bool) {
	switch name {
	case "record", "evidence":
		return in, true
	case "candidate":
		if in.now < 0 {
			return nil, false
		}
		return &in.set[in.now], true
	case "candidates":
		if in.all == nil {
			vals := make([]ref.Val, len(in.left))
			for i, at := range in.left {
				vals[i] = candidateValue{&in.set[at]}
			}
			in.all = types.NewRefValList(valueAdapter{}, vals)
		}
		return in.all, true
	case "base":
		return in.base(in.facts.Base), true
	}
	return nil, false
}

// originName is how an expression reads an origin.
func originName(o clock.Origin) string { return fmt.Sprintf("%v/%x", o.Replica, o.Incarnation) }

// arithmetic are the operators that would compute with floating point if their
// operands were. What two machines round differently, two replicas would show
// differently.
var arithmetic = []string{operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate}
