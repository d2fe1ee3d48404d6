package scenario

import "slices"

// UTF16 is the unit of positions that are not code points.
const UTF16 = "utf16"

// A spec says which parameters a step has, who acts in it, and what a world
// must be able to do for it.
type spec struct {
	on    acting
	must  []param
	one   []param // exactly one of these
	may   []param
	edit  bool // an operation on an object: also possible inside record.edit
	inner bool // only possible there
	needs []Capability
}

type acting int

const (
	onNobody acting = iota // the step has no `on`
	onAny                  // `on` may be left out, for all replicas
	onOne                  // one replica acts
)

// params returns every parameter of a step, in the canonical order.
func (sp *spec) params(s *Step) []param {
	var list []param
	if sp.on != onNobody {
		list = append(list, pOn)
	}
	must, one, may := sp.must, sp.one, sp.may
	if s.Do == "record.edit" {
		inner, _ := innerOf(s.Op)
		must, one, may = slices.Concat(must, inner.must), inner.one, slices.Concat(may, inner.may)
	}
	return slices.Concat(list, must, one, may, sp.common())
}

// common returns the parameters that a step has beside its own.
func (sp *spec) common() []param {
	if sp.on != onOne {
		return []param{pLabel}
	}
	list := []param{pActor, pRole, pSeniority, pWhen, pIntent, pSeen, pLabel, pMayFail, pExpectError}
	own := keysOf(sp.must, sp.one, sp.may)
	return slices.DeleteFunc(list, func(p param) bool { return slices.Contains(own, p.key) })
}

// innerOf returns the parameters that record.edit takes over from an operation:
// the object is named by record and field, a position is pos (at is the time),
// and a path starts below the field. It returns false for names that are no
// operation.
func innerOf(op string) (*spec, bool) {
	inner, ok := specs[op]
	if !ok || !inner.edit {
		return &spec{}, false
	}
	move := func(list []param) []param {
		var out []param
		for _, p := range list {
			switch p.key {
			case pObj.key:
				continue
			case pAt.key:
				p = pPos
			case pPath.key:
				p = pBelow
			}
			out = append(out, p)
		}
		return out
	}
	out := &spec{must: move(inner.must), one: move(inner.one), may: move(inner.may), needs: inner.needs}
	if !slices.Contains(keysOf(out.must), pBelow.key) {
		out.may = append(out.may, pBelow)
	}
	return out, true
}

// edits are the names of the operations that record.edit may name.
func edits() []string {
	var list []string
	for do, sp := range specs {
		if sp.edit {
			list = append(list, do)
		}
	}
	slices.Sort(list)
	return list
}

// specs is the table of steps. It is filled by init, because the parameters
// that hold steps refer to it.
var specs map[string]*spec

func init() {
	with := func(list ...param) []param { return list }
	rules := []Capability{CanRule}
	specs = map[string]*spec{
		"text.insert":       {on: onOne, edit: true, must: with(pObj, pAt), one: with(pText, pRepeated), may: with(pUnit)},
		"text.type":         {on: onOne, edit: true, must: with(pObj, pAt, pText, pDir), may: with(pUnit)},
		"text.insert_bytes": {on: onOne, edit: true, must: with(pObj, pAt, pHex), may: with(pUnit)},
		"text.delete":       {on: onOne, edit: true, must: with(pObj, pAt, pLen), may: with(pUnit)},
		"text.mark": {on: onOne, edit: true, must: with(pObj, pFirst, pLast, pMark, pValue), may: with(pUnit),
			needs: []Capability{CanMark}},
		"anchor": {on: onOne, must: with(pObj, pAt, pBias, pAs), may: with(pUnit), needs: []Capability{CanAnchor}},
		"undo":   {on: onOne, needs: []Capability{CanUndo}},

		"list.insert": {on: onOne, edit: true, must: with(pObj, pAt, pValues)},
		"list.delete": {on: onOne, edit: true, must: with(pObj, pAt, pLen)},
		"list.set":    {on: onOne, edit: true, must: with(pObj, pAt, pValue)},
		"list.move":   {on: onOne, edit: true, must: with(pObj, pFirst, pLast), needs: []Capability{CanMoveList}},
		"set.add":     {on: onOne, edit: true, must: with(pObj, pValue)},
		"set.remove":  {on: onOne, edit: true, must: with(pObj, pValue)},

		"map.new":         {on: onOne, edit: true, must: with(pPath)},
		"map.set":         {on: onOne, edit: true, must: with(pPath, pValue)},
		"map.delete":      {on: onOne, edit: true, must: with(pPath)},
		"map.counter_add": {on: onOne, edit: true, must: with(pPath, pBy)},
		"map.text_insert": {on: onOne, edit: true, must: with(pPath, pAt, pText), may: with(pUnit)},
		"field.create":    {on: onOne, edit: true, must: with(pPath, pType), one: with(pBy, pText)},

		"counter.add":      {on: onOne, edit: true, must: with(pObj, pBy)},
		"counter.reset":    {on: onOne, edit: true, must: with(pObj), needs: []Capability{CanResetCounter}},
		"counter.transfer": {on: onOne, edit: true, inner: true, must: with(pObj, pTo, pBy), needs: rules},
		"register.set":     {on: onOne, edit: true, must: with(pObj, pValue)},
		"register.clear":   {on: onOne, edit: true, must: with(pObj)},
		"mv.set":           {on: onOne, edit: true, must: with(pObj, pValue)},

		"clock":      {on: onAny, one: with(pSet, pAdvance)},
		"inject_hlc": {must: with(pTo, pWall), needs: []Capability{CanInjectHLC}},

		"sync":            {must: with(pFrom, pTo), may: with(pMayFail, pExpectError)},
		"sync_all":        {},
		"partition":       {must: with(pGroups)},
		"heal":            {},
		"delta":           {on: onOne, must: with(pAs), may: with(pOwn)},
		"snapshot":        {on: onOne, must: with(pAs)},
		"deliver":         {must: with(pWhat, pTo), may: with(pTimes, pMayFail, pExpectError)},
		"deliver_corrupt": {must: with(pWhat, pTo), may: with(pFlips, pTruncate)},
		"deliver_version": {must: with(pWhat, pTo, pVersion), needs: []Capability{CanShiftVersion}},
		"restart":         {on: onOne, needs: []Capability{CanRestart}},
		"restore":         {on: onOne, must: with(pSaved), needs: []Capability{CanRestore}},
		"merge_orders":    {},

		"require": {on: onAny, must: with(pWants)},
		"check":   {must: with(pExpect)},
		"repeat":  {must: with(pTimes, pSteps)},

		"read":            {on: onOne, must: with(pRecord, pAs), needs: rules},
		"record.create":   {on: onOne, must: with(pRecord), may: with(pParent), needs: rules},
		"record.delete":   {on: onOne, must: with(pRecord), needs: rules},
		"record.set":      {on: onOne, must: with(pRecord, pField, pValue), needs: rules},
		"record.edit":     {on: onOne, must: with(pRecord, pField, pOp), needs: rules},
		"event.append":    {on: onOne, must: with(pRecord, pField, pValue), needs: rules},
		"stock.add":       {on: onOne, must: with(pRecord, pField, pBy), needs: rules},
		"stock.recount":   {on: onOne, must: with(pRecord, pField, pValue), may: with(pAsOf), needs: rules},
		"resolve":         {on: onOne, must: with(pRecord, pField), one: with(pChoose, pCustom), needs: rules},
		"verdict":         {on: onOne, must: with(pRecord, pOf, pDecision), needs: rules},
		"policy.activate": {on: onOne, must: with(pPolicy), needs: rules},
		"bulk_create": {on: onOne, must: with(pCollection, pRecords, pBytesEach), may: with(pBad, pParents),
			needs: rules},

		"bulk_put":         {on: onOne, must: with(pObj, pRecords, pBytesEach), needs: []Capability{CanBulkPut}},
		"touch":            {on: onOne, must: with(pObj, pN), needs: []Capability{CanTouch}},
		"measure_sync":     {must: with(pFrom, pTo), needs: []Capability{CanMeasureSync}},
		"sync_with_drops":  {must: with(pFrom, pTo, pDropAfter), needs: []Capability{CanDropSync}},
		"sync_stepwise":    {must: with(pFrom, pTo), may: with(pChecks, pAfter, pThen), needs: []Capability{CanStepSync}},
		"sync_with_budget": {must: with(pFrom, pTo, pFits), needs: []Capability{CanBudgetSync}},
		"kill_during":      {on: onOne, must: with(pWhat), may: with(pFrom, pPoints), needs: []Capability{CanKill}},
		"crash_loop":       {on: onOne, must: with(pTimes, pInner), needs: []Capability{CanCrashLoop}},
		"open_again":       {on: onOne, needs: []Capability{CanOpenAgain}},
		"disk_full":        {on: onOne, needs: []Capability{CanFillDisk}},
		"disk_free":        {on: onOne, needs: []Capability{CanFillDisk}},
		"gc":               {on: onOne, needs: []Capability{CanCollect}},
	}
}
