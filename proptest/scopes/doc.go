// Package scopes plays random histories of one scope over bare records: several
// devices edit one record, delete and restore it, refuse what static rules
// refuse, correct their clocks, and meet; a steward writes settle marks, and one
// device that is no member comes late. There is no store and no session, so a
// history costs a millisecond or two, and shows what the algebra of records does
// when its past is folded.
//
// At the end all devices, a newcomer and the join of the states that they had
// before must be the same: normal form, views, and which changes are late.
package scopes
