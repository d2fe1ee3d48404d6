package codec

// MaxBatchFieldBytes limits each part of a [BatchHeader]. It is enough for the
// keys and signatures of all schemes in use, those that withstand quantum
// computers among them.
const MaxBatchFieldBytes = 8 << 10

// SchemeUnsigned is the scheme of a batch that nobody signed.
const SchemeUnsigned = 0

// BatchHeader stands before a batch of changes, stored and sent, and says who
// vouches for it. It is there from the first version of the formats, so that
// signing can come without a new one.
//
// A header is one byte, the scheme. For [SchemeUnsigned] that is all. For every
// other scheme, known to this build or not, three blobs follow: the signer, the
// claims (what is signed beside the changes), and the signature. Each is opaque
// here and at most [MaxBatchFieldBytes] long. What was read is written again
// byte for byte, so that a peer which does not know a scheme can pass a batch
// on, and a later one can still verify it.
//
// This package verifies nothing.
type BatchHeader struct {
	Scheme    uint8
	Signer    []byte
	Claims    []byte
	Signature []byte
}

// BatchHeader writes h. The parts of an unsigned header are not written.
func (w *Writer) BatchHeader(h BatchHeader) {
	w.Byte(h.Scheme)
	if h.Scheme == SchemeUnsigned {
		return
	}
	w.Blob(h.Signer)
	w.Blob(h.Claims)
	w.Blob(h.Signature)
}

// BatchHeader reads a header of any scheme. Its parts are parts of the input,
// with no spare capacity. After an error the result is an unsigned header: look
// at Err before trusting it.
func (r *Reader) BatchHeader() BatchHeader {
	h := BatchHeader{Scheme: r.Byte()}
	if h.Scheme == SchemeUnsigned {
		return h
	}
	h.Signer = r.Blob("batch signer", MaxBatchFieldBytes)
	h.Claims = r.Blob("batch claims", MaxBatchFieldBytes)
	h.Signature = r.Blob("batch signature", MaxBatchFieldBytes)
	if r.err != nil {
		return BatchHeader{}
	}
	return h
}
