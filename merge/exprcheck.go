package merge

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// exprFault is what is wrong with an expression, and where in it: a line from
// 1, and a column from 0. Line 0 is the whole.
type exprFault struct {
	line, column    int
	problem, remedy string
}

func newExprFault(line, column int, message string) exprFault {
	f := exprFault{line, column, message, "correct the expression"}
	switch {
	case strings.HasPrefix(message, "undefined field"):
		f.remedy = "declare it under fields, with its type; a rule reads its own field as candidate.value"
	case strings.HasPrefix(message, "undeclared reference"):
		f.remedy = "an expression reads candidate, candidates, record, evidence and base"
	case strings.HasPrefix(message, "found no matching overload"):
		f.remedy = "the types do not go together; compare and compute with equal ones"
	}
	f.problem, _, _ = strings.Cut(f.problem, " (in container")
	return f
}

// zoned are the functions that take a time zone: zone tables differ between
// devices.
var zoned = []string{
	"getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth", "getDate", "getDayOfWeek",
	"getHours", "getMinutes", "getSeconds", "getMilliseconds",
}

// inspect refuses what could answer differently on two replicas, and notes
// what the expression reads.
func (x *expression) inspect() (fs []exprFault) {
	a := x.ast.NativeRep()
	report := func(e ast.Expr, problem, remedy string) {
		at := a.SourceInfo().GetStartLocation(e.ID())
		fs = append(fs, exprFault{at.Line(), at.Column(), problem, remedy})
	}
	for _, n := range ast.MatchDescendants(ast.NavigateAST(a), ast.AllMatcher()) {
		switch n.Kind() {
		case ast.IdentKind:
			x.noteIdent(n, report)
		case ast.StructKind:
			report(n, "it makes a message of type "+n.AsStruct().TypeName(), "use values, lists and maps")
		case ast.CallKind:
			inspectCall(a, n, report)
		case ast.ComprehensionKind:
			r := n.AsComprehension().IterRange()
			if len(ast.MatchDescendants(ast.NavigateExpr(a, r), ast.KindMatcher(ast.MapKind))) > 0 {
				report(n, "it goes through a map that it makes, and such a map has no order", "go through a list")
			}
		}
	}
	slices.Sort(x.reads)
	x.reads = slices.Compact(x.reads)
	return fs
}

func (x *expression) noteIdent(n ast.NavigableExpr, report func(ast.Expr, string, string)) {
	name := n.AsIdent()
	switch name {
	case "candidate", "candidates":
		x.ofCandidate = x.ofCandidate || name == "candidate"
	case "base":
		x.base = true
	case "record", "evidence":
		x.ofCandidate = x.ofCandidate || name == "evidence"
		parent, ok := n.Parent()
		if !ok || parent.Kind() != ast.SelectKind {
			report(n, name+" stands by itself", fmt.Sprintf("name what to read: %s.FIELD", name))
			return
		}
		read := parent.AsSelect().FieldName()
		if name == "record" {
			x.reads = append(x.reads, read)
			return
		}
		if x.refs == nil {
			x.refs = map[string][]string{}
		}
		x.refs[read] = slices.Clip(x.refs[read])
		if of, ok := parent.Parent(); ok && of.Kind() == ast.SelectKind {
			x.refs[read] = append(x.refs[read], of.AsSelect().FieldName())
		}
	}
}

func inspectCall(a *ast.AST, n ast.NavigableExpr, report func(ast.Expr, string, string)) {
	call := n.AsCall()
	name := call.FunctionName()
	switch {
	case slices.Contains(zoned, name) && len(call.Args()) > 0:
		report(n, name+" with a time zone reads the tables of the device", "leave the zone out: it is UTC")
	case name == "dyn" || name == "type":
		report(n, name+" hides the type from the check", "leave it out")
	case name == "matches":
		if pattern := call.Args()[len(call.Args())-1]; pattern.Kind() != ast.LiteralKind {
			report(n, "the pattern of matches is not a constant", "write it out in quotes")
		}
	case slices.Contains(arithmetic, name):
		for _, arg := range call.Args() {
			switch a.GetType(arg.ID()).Kind() {
			case types.DoubleKind:
				report(arg, "it computes with floating point, which machines round differently", "compare only, or count in smaller units as an integer")
			case types.DynKind, types.AnyKind, types.ErrorKind:
				report(arg, "it computes with a value whose kind is not declared", "declare the kind with of")
			}
		}
	}
}
