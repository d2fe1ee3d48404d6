// Package codec turns structures into bytes and back. It is the only package
// that knows byte orders, varints and MessagePack.
package codec
