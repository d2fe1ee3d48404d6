// Package merge decides what a replicated record shows. The rooms below it
// keep every concurrent write; this one says, by rules that people own, which of
// them counts.
//
//   - A [Schema] says which collections there are, and for each field its type,
//     its rule and who may write it.
//   - A [Step] gives each candidate a [Key]; the greatest wins, and ties go on
//     to the next step. That is all a rule can do, so rules cannot contradict
//     themselves or depend on the order in which changes arrived.
//   - [View] shows a record under the rules of its collection. Overruled values
//     stay beside the one that is shown.
//
// # Views are not state
//
// A view is a pure function of a record's state and a schema. Nothing that a
// rule decides is written back: the digest of a record is the same under every
// schema, a new schema decides old conflicts anew, and a view that was lost is
// made again. Hence two replicas with equal state and equal schemas show the
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
