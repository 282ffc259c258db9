package cache

import (
	"cmp"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
)

// keyVersion goes into every key. Change it when equal requests begin to have
// other answers, or when the form below changes.
const keyVersion = "sightline search 1"

// maxDepth bounds the nesting of a request, so that a pointer to itself is an
// error and not an endless loop.
const maxDepth = 32

// Key names one answer: what model, what state of the index, what question.
type Key struct {
	Fingerprint string // of the model
	Generation  uint64 // of the index
	// Request holds everything that the answer depends on, after defaults:
	// texts as their token ids or as they were typed, a picture as its hash. It
	// is made of bools, numbers, strings, slices, arrays, maps with string
	// keys, pointers and structs of these. A struct must have only exported
	// fields, since a field that cannot be seen would make different requests
	// equal, or give itself as text (encoding.TextMarshaler, as time.Time
	// does).
	Request any
}

// Hash returns the key as 64 hex digits. Equal keys give equal digits in every
// process and on every machine, and different keys different ones: each part is
// written with its kind and its length before SHA-256 is taken. An empty slice
// or map equals a nil one, and -0 equals 0; nothing else is made equal. An
// error says that Request has a part that cannot be in a key; it depends on
// Request's type and on NaN only.
func (k Key) Hash() (string, error) {
	b := make([]byte, 0, 1024)
	b = appendText(b, keyVersion)
	b = appendText(b, k.Fingerprint)
	b = binary.BigEndian.AppendUint64(b, k.Generation)
	b, err := appendValue(b, reflect.ValueOf(k.Request), 0)
	if err != nil {
		return "", fmt.Errorf("cache key: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// appendText writes a text so that nothing after it can be taken for a part of
// it.
func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendValue writes one value: a letter for its kind, then its content. Every
// form ends by itself, so forms can stand one after the other.
func appendValue(b []byte, v reflect.Value, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	switch v.Kind() {
	case reflect.Invalid: // a nil interface
		return append(b, 'n'), nil
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return append(b, 'n'), nil
		}
		return appendValue(append(b, 'p'), v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		return appendList(b, v, depth)
	case reflect.Map:
		return appendMap(b, v, depth)
	case reflect.Struct:
		return appendStruct(b, v, depth)
	default:
		return appendScalar(b, v)
	}
}

func appendScalar(b []byte, v reflect.Value) ([]byte, error) {
	switch {
	case v.Kind() == reflect.Bool && v.Bool():
		return append(b, 'b', 1), nil
	case v.Kind() == reflect.Bool:
		return append(b, 'b', 0), nil
	case v.Kind() == reflect.String:
		return appendText(append(b, 's'), v.String()), nil
	case v.CanInt():
		return binary.BigEndian.AppendUint64(append(b, 'i'), uint64(v.Int())), nil
	case v.CanUint():
		return binary.BigEndian.AppendUint64(append(b, 'u'), v.Uint()), nil
	case v.CanFloat():
		return appendFloat(b, v.Float())
	}
	return nil, fmt.Errorf("a %s cannot be part of a key", v.Type())
}

func appendFloat(b []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) {
		return nil, errors.New("NaN cannot be part of a key: it does not equal itself")
	}
	if f == 0 {
		f = 0 // -0 too
	}
	return binary.BigEndian.AppendUint64(append(b, 'f'), math.Float64bits(f)), nil
}

func appendList(b []byte, v reflect.Value, depth int) ([]byte, error) {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		b = binary.AppendUvarint(append(b, 'y'), uint64(v.Len()))
		return append(b, v.Bytes()...), nil
	}
	b = binary.AppendUvarint(append(b, 'l'), uint64(v.Len()))
	var err error
	for i := range v.Len() {
		if b, err = appendValue(b, v.Index(i), depth+1); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return b, nil
}

func appendMap(b []byte, v reflect.Value, depth int) ([]byte, error) {
	if v.Type().Key().Kind() != reflect.String {
		return nil, fmt.Errorf("a %s cannot be part of a key: only maps with string keys can", v.Type())
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return cmp.Compare(x.String(), y.String()) })
	b = binary.AppendUvarint(append(b, 'm'), uint64(len(keys)))
	var err error
	for _, k := range keys {
		if b, err = appendValue(appendText(b, k.String()), v.MapIndex(k), depth+1); err != nil {
			return nil, fmt.Errorf("member %q: %w", k.String(), err)
		}
	}
	return b, nil
}

func appendStruct(b []byte, v reflect.Value, depth int) ([]byte, error) {
	if m, ok := reflect.TypeAssert[encoding.TextMarshaler](v); ok {
		text, err := m.MarshalText()
		if err != nil {
			return nil, fmt.Errorf("%s as text: %w", v.Type(), err)
		}
		return appendText(append(b, 't'), string(text)), nil
	}
	b = binary.AppendUvarint(append(b, 'r'), uint64(v.NumField()))
	var err error
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			return nil, fmt.Errorf("%s.%s is not exported, so it cannot be part of a key", v.Type(), field.Name)
		}
		if b, err = appendValue(appendText(b, field.Name), v.Field(i), depth+1); err != nil {
			return nil, fmt.Errorf("%s: %w", field.Name, err)
		}
	}
	return b, nil
}
