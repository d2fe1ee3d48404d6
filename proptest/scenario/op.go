package scenario

import (
	"math/big"
	"time"
)

// Op is an operation on an object. It is one of the types below; an adapter
// switches over them. Positions are code points unless Unit is [UTF16].
type Op interface{ op() }

type (
	// TextInsert inserts a text as one insertion.
	TextInsert struct {
		Pos  int
		Text string
		Unit string
	}
	// TextInsertBytes inserts bytes that may not be UTF-8.
	TextInsertBytes struct {
		Pos   int
		Bytes []byte
		Unit  string
	}
	// TextDelete deletes Len characters from Pos on.
	TextDelete struct {
		Pos, Len int
		Unit     string
	}
	// TextMark sets a mark on a half-open range; a nil value removes it.
	TextMark struct {
		From, To int
		Mark     string
		Value    any
		Unit     string
	}

	// ListInsert inserts elements before the one with index Pos.
	ListInsert struct {
		Pos    int
		Values []any
	}
	// ListDelete deletes Len elements from Pos on.
	ListDelete struct{ Pos, Len int }
	// ListSet replaces an element.
	ListSet struct {
		Pos   int
		Value any
	}
	// ListMove moves an element; To is its index once it was taken out.
	ListMove struct{ From, To int }

	// SetAdd adds an element to an add-wins set.
	SetAdd struct{ Value any }
	// SetRemove removes an element as far as it was seen.
	SetRemove struct{ Value any }

	// MapNew makes a nested map under the target's path.
	MapNew struct{}
	// MapSet sets the value under the target's path.
	MapSet struct{ Value any }
	// MapDelete removes what the target's path names, as far as it was seen.
	MapDelete struct{}

	// CounterAdd adds an amount, which may be negative and larger than 64 bits.
	CounterAdd struct{ By *big.Int }
	// CounterReset sets a counter to zero as far as it was seen.
	CounterReset struct{}
	// CounterTransfer hands rights of a bounded counter to a replica.
	CounterTransfer struct {
		To string
		By *big.Int
	}

	// RegisterSet writes a register or, with a map of its fields, a group.
	RegisterSet struct{ Value any }
	// RegisterClear removes a register's value.
	RegisterClear struct{}
	// MultiSet writes a multi-value register.
	MultiSet struct{ Value any }

	// LogAppend appends an entry to a log.
	LogAppend struct{ Value any }
	// StockAdd adds a movement to a stock.
	StockAdd struct{ By *big.Int }
	// StockRecount sets a stock as of a time; zero: as of now.
	StockRecount struct {
		Value any
		AsOf  time.Time
	}
)

func (TextInsert) op()      {}
func (TextInsertBytes) op() {}
func (TextDelete) op()      {}
func (TextMark) op()        {}
func (ListInsert) op()      {}
func (ListDelete) op()      {}
func (ListSet) op()         {}
func (ListMove) op()        {}
func (SetAdd) op()          {}
func (SetRemove) op()       {}
func (MapNew) op()          {}
func (MapSet) op()          {}
func (MapDelete) op()       {}
func (CounterAdd) op()      {}
func (CounterReset) op()    {}
func (CounterTransfer) op() {}
func (RegisterSet) op()     {}
func (RegisterClear) op()   {}
func (MultiSet) op()        {}
func (LogAppend) op()       {}
func (StockAdd) op()        {}
func (StockRecount) op()    {}
