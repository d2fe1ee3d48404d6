// Package merge decides what a replicated record shows. The rooms below it
// keep every concurrent write; this one says, by rules that people own, which of
// them counts.
//
//   - A [Policy] says which collections there are, and for each field its type,
//     its rule and who may write it. It is a Go value or a file, and both say the
//     same: [ParsePolicy], [Policy.YAML]. [Finding] is what is wrong with one.
//   - [Rules] are a policy made ready: its expressions, in CEL, are typed and
//     compiled, and the functions that it names are found.
//   - A [Step] gives each candidate a [Key], and the greatest go on to the next
//     step; or it keeps those that meet a condition. That is all a rule can do, so
//     rules cannot contradict themselves or depend on the order in which changes
//     arrived.
//   - [View] shows a record under the rules of its collection. Overruled values
//     stay beside the one that is shown, and [FieldRules.Explain] says why.
//
// # Views are not state
//
// A view is a pure function of a record's state and a policy. Nothing that a
// rule decides is written back: the digest of a record is the same under every
// policy, a new policy decides old conflicts anew, and a view that was lost is
// made again. Hence two replicas with equal state and equal policies show the
// same, whatever happened on the way; there is no wall clock, randomness, locale,
// order of maps or local setting in it.
//
// # What a rule decides between
//
// The candidates of a register are its siblings: the values that no write has
// superseded. A write supersedes what its author saw, and nothing else. A nurse
// who corrects the dose that a doctor entered replaces it, whatever their ranks:
// she knew it. A nurse who saves a form that she opened before the doctor's value
// arrived replaces what the form showed; her value and the doctor's stand beside
// each other, and [Authority] says whose is shown.
//
// The model is that of deterministic interpretation: Kleppmann et al., "OpSets:
// Sequential Specifications for Replicated Datatypes", 2018, and Borrego et al.,
// the No-Op framework, ECOOP 2025.
package merge
