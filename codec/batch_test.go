package codec_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-crdt/concord/codec"
)

func TestBatchHeaders(t *testing.T) {
	tests := []struct {
		name  string
		in    codec.BatchHeader
		bytes string
		out   codec.BatchHeader
	}{
		{"unsigned", codec.BatchHeader{}, "00", codec.BatchHeader{}},
		{"unsigned with parts", codec.BatchHeader{Signer: []byte("a"), Signature: []byte("b")}, "00", codec.BatchHeader{}},
		{
			"signed", codec.BatchHeader{Scheme: 1, Signer: []byte("ab"), Claims: []byte{}, Signature: []byte("c")},
			"01 026162 00 0163",
			codec.BatchHeader{Scheme: 1, Signer: []byte("ab"), Claims: []byte{}, Signature: []byte("c")},
		},
		{
			"unknown scheme", codec.BatchHeader{Scheme: 255, Signer: []byte{}, Claims: []byte("x"), Signature: []byte{}},
			"ff 00 0178 00",
			codec.BatchHeader{Scheme: 255, Signer: []byte{}, Claims: []byte("x"), Signature: []byte{}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w codec.Writer
			w.BatchHeader(tt.in)
			if want := unhex(t, tt.bytes); !bytes.Equal(w.Bytes(), want) {
				t.Fatalf("got %x, want %x", w.Bytes(), want)
			}
			r := codec.NewReader(w.Bytes())
			got := r.BatchHeader()
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.out, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBatchHeaderRefuses(t *testing.T) {
	var long codec.Writer
	long.BatchHeader(codec.BatchHeader{Scheme: 1, Signature: make([]byte, codec.MaxBatchFieldBytes+1)})
	tests := []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, codec.ErrTruncated},
		{"no signer", []byte{1}, codec.ErrTruncated},
		{"signer cut", []byte{1, 2, 'a'}, codec.ErrTruncated},
		{"signature too long", long.Bytes(), codec.ErrLimit},
		{"trailing", []byte{0, 0}, codec.ErrTrailing},
	}
	for _, tt := range tests {
		r := codec.NewReader(tt.in)
		h := r.BatchHeader()
		if err := r.Close(); !errors.Is(err, tt.want) {
			t.Errorf("%s: got error %v, want %v", tt.name, err, tt.want)
		}
		if h.Signer != nil || h.Scheme != 0 {
			t.Errorf("%s: got header %v", tt.name, h)
		}
	}
}
