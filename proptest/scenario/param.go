package scenario

import (
	"math/big"
	"slices"
	"time"
)

// A param is one parameter of a step: its key, and how it moves between the
// file and the field of Step that holds it.
type param struct {
	key   string
	read  func(p *parser, n *node, s *Step)
	write func(dst []byte, s *Step) []byte
	given func(s *Step) bool
}

func parameter[T any](key string, f form[T], field func(*Step) *T) param {
	return param{
		key:   key,
		read:  func(p *parser, n *node, s *Step) { *field(s) = f.read(p, key, n) },
		write: func(dst []byte, s *Step) []byte { return f.write(dst, *field(s)) },
		given: func(s *Step) bool { return f.given(*field(s)) },
	}
}

// The parameters. One key may stand for several of them, in different steps.
var (
	pOn          = parameter("on", aReplica, func(s *Step) *string { return &s.On })
	pLabel       = parameter("label", aName, func(s *Step) *string { return &s.Label })
	pMayFail     = parameter("may_fail", aFlag, func(s *Step) *bool { return &s.MayFail })
	pExpectError = parameter("expect_error", aFlag, func(s *Step) *bool { return &s.ExpectError })

	pActor     = parameter("actor", aName, func(s *Step) *string { return &s.Actor })
	pRole      = parameter("role", aName, func(s *Step) *string { return &s.Role })
	pSeniority = parameter("seniority", anIndex, func(s *Step) *int { return &s.Seniority })
	pWhen      = parameter("at", anInstant, func(s *Step) *time.Time { return &s.When })
	pIntent    = parameter("intent", aName, func(s *Step) *string { return &s.Intent })
	pSeen      = parameter("seen", aName, func(s *Step) *string { return &s.Seen })

	pObj      = parameter("obj", aName, func(s *Step) *string { return &s.Obj })
	pPath     = parameter("path", listOf(aText, 2), func(s *Step) *[]string { return &s.Path })
	pBelow    = parameter("path", listOf(aText, 1), func(s *Step) *[]string { return &s.Path })
	pAt       = parameter("at", aPosition, func(s *Step) *Position { return &s.Pos })
	pPos      = parameter("pos", aPosition, func(s *Step) *Position { return &s.Pos })
	pText     = parameter("text", aText, func(s *Step) *string { return &s.Text })
	pRepeated = parameter("text_repeat", aRepeated, func(s *Step) **Repeated { return &s.Repeated })
	pUnit     = parameter("unit", oneWord(UTF16), func(s *Step) *string { return &s.Unit })
	pDir      = parameter("dir", oneWord("forward", "backward"), func(s *Step) *string { return &s.Dir })
	pHex      = parameter("hex", aHex, func(s *Step) *string { return &s.Hex })
	pLen      = parameter("len", anIndex, func(s *Step) *int { return &s.Len })
	pFirst    = parameter("from", anIndex, func(s *Step) *int { return &s.First })
	pLast     = parameter("to", anIndex, func(s *Step) *int { return &s.Last })
	pMark     = parameter("mark", aName, func(s *Step) *string { return &s.Mark })
	pBias     = parameter("bias", oneWord("before", "after"), func(s *Step) *string { return &s.Bias })
	pType     = parameter("type", oneWord("counter", "text"), func(s *Step) *string { return &s.Type })
	pBy       = parameter("by", anAmount, func(s *Step) **big.Int { return &s.By })
	pValue    = parameter("value", aValue, func(s *Step) *any { return &s.Value })
	pValues   = parameter("values", listOf(aValue, 0), func(s *Step) *[]any { return &s.List })

	pAs     = parameter("as", aName, func(s *Step) *string { return &s.Name })
	pWhat   = parameter("what", aName, func(s *Step) *string { return &s.What })
	pFrom   = parameter("from", aReplica, func(s *Step) *string { return &s.From })
	pSaved  = parameter("from", aName, func(s *Step) *string { return &s.From })
	pTo     = parameter("to", aReplica, func(s *Step) *string { return &s.To })
	pOwn    = parameter("own", aFlag, func(s *Step) *bool { return &s.Own })
	pTimes  = parameter("times", integer(1, maxTimes), func(s *Step) *int { return &s.Times })
	pGroups = parameter("groups", listOf(listOf(aReplica, 1), 1), func(s *Step) *[][]string { return &s.Groups })

	pSet     = parameter("set", anInstant, func(s *Step) *time.Time { return &s.Set })
	pAdvance = parameter("advance_ms", aDuration, func(s *Step) **time.Duration { return &s.Advance })

	pFlips    = parameter("flips", oneWord("each bit"), func(s *Step) *string { return &s.Flips })
	pTruncate = parameter("truncate", oneWord("each length"), func(s *Step) *string { return &s.Truncate })
	pVersion  = parameter("version", aLaterVersion, func(s *Step) *string { return &s.Version })
	pWall     = parameter("wall", oneWord("max"), func(s *Step) *string { return &s.Wall })

	pWants  = parameter("values", wantedValues, func(s *Step) *Values { return &s.Wants })
	pExpect = parameter("expect", anExpectation, func(s *Step) **Expect { return &s.Expect })
	pSteps  = parameter("steps", nestedSteps, func(s *Step) *[]Step { return &s.Steps })
	pThen   = parameter("then", nestedSteps, func(s *Step) *[]Step { return &s.Steps })
	pInner  = parameter("op", innerStep, func(s *Step) **Step { return &s.Inner })

	pRecord     = parameter("record", aRecord, func(s *Step) *string { return &s.Record })
	pParent     = parameter("parent", aRecord, func(s *Step) *string { return &s.Parent })
	pField      = parameter("field", aName, func(s *Step) *string { return &s.Field })
	pOp         = parameter("op", aName, func(s *Step) *string { return &s.Op })
	pAsOf       = parameter("as_of", anInstant, func(s *Step) *time.Time { return &s.AsOf })
	pChoose     = chosen("choose", false)
	pCustom     = chosen("custom", true)
	pOf         = parameter("of", aName, func(s *Step) *string { return &s.Of })
	pDecision   = parameter("decision", oneWord("approve", "reject"), func(s *Step) *string { return &s.Decision })
	pPolicy     = parameter("policy", aPolicy, func(s *Step) **Policy { return &s.Policy })
	pCollection = parameter("collection", aName, func(s *Step) *string { return &s.Collection })
	pRecords    = parameter("records", integer(0, maxRecords), func(s *Step) *int { return &s.Records })
	pBytesEach  = parameter("bytes_each", anIndex, func(s *Step) *int { return &s.BytesEach })
	pBad        = parameter("bad", listOf(integer(1, maxRecords), 0), func(s *Step) *[]int { return &s.Bad })
	pParents    = parameter("parents", oneOrMore(aRecord), func(s *Step) *[]string { return &s.Parents })

	pN         = parameter("n", integer(0, maxRecords), func(s *Step) *int { return &s.N })
	pDropAfter = parameter("drop_after", oneOrMore(aPercent), func(s *Step) *[]Percent { return &s.DropAfter })
	pChecks    = parameter("check_each_chunk", oneOrMore(oneWord("priority_order", "parents_present", "progress")),
		func(s *Step) *[]string { return &s.Checks })
	pAfter  = parameter("after", aPercent, func(s *Step) *Percent { return &s.After })
	pFits   = parameter("fits", aName, func(s *Step) *string { return &s.Fits })
	pPoints = parameter("points", aName, func(s *Step) *string { return &s.Points })
)

// chosen is the decision of a resolve step, under one of its two keys.
func chosen(key string, custom bool) param {
	p := parameter(key, aValue, func(s *Step) *any { return &s.Value })
	read := p.read
	p.read = func(ps *parser, n *node, s *Step) {
		read(ps, n, s)
		s.Custom = custom
	}
	p.given = func(s *Step) bool { return s.Custom == custom }
	return p
}

func keysOf(lists ...[]param) []string {
	var keys []string
	for _, list := range lists {
		for _, p := range list {
			keys = append(keys, p.key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
