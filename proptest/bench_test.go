package proptest

import "testing"

// Every law that applies, on the default number of histories.
func BenchmarkCheck(b *testing.B) {
	b.Run("type=tally", func(b *testing.B) { benchCheck(b, tallies()) })
	b.Run("type=tags", func(b *testing.B) { benchCheck(b, tagSets()) })
}

func benchCheck[S, D any](b *testing.B, t Type[S, D]) {
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(t, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
