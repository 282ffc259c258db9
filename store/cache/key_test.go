package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// question is a request like the API's.
type question struct {
	Tokens  []int64
	K       int
	Rerank  bool
	Depth   int
	Filters map[string]any
	Exclude []string
	Min     *float64
}

func fullQuestion() question {
	return question{
		Tokens: []int64{101, 2417, 6007, 102}, K: 24, Rerank: true, Depth: 128, Exclude: []string{"sku-1"},
		Filters: map[string]any{"brand": []string{"Acme", "Ünïque"}, "price": 19.99}, Min: new(0.25),
	}
}

// The digits must not change by accident: every running installation would lose
// its cache, and two versions side by side would not share theirs. Change
// keyVersion with them.
func TestKeyStaysTheSame(t *testing.T) {
	got, err := Key{Fingerprint: "model", Generation: 7, Request: fullQuestion()}.Hash()
	const want = "2a919937ded5301092da228109081d2e56784b69c1b90d670ef1fecde1aae51b"
	if err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

// Requests that differ in any way have different keys.
func TestKeyTellsApart(t *testing.T) {
	seen := make(map[string]string)
	add := func(name string, k Key) {
		t.Helper()
		hash, err := k.Hash()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if other, ok := seen[hash]; ok {
			t.Errorf("%s has the key of %s", name, other)
		}
		seen[hash] = name
	}
	add("nothing", Key{})
	add("fingerprint", Key{Fingerprint: "model"})
	add("generation", Key{Generation: 1})
	add("fingerprint in the request", Key{Request: "model"})
	for name, request := range map[string]any{
		"false": false, "true": true, "int": 0, "uint": uint(0), "float": 0.0, "int 1": 1, "float 1": 1.0, "-1": -1, "largest": uint64(math.MaxUint64),
		"text": "", "text 0": "0", "bytes": []byte{}, "list": []int{}, "map": map[string]int{}, "struct": struct{}{}, "infinity": math.Inf(1),
		"a, b": []string{"a", "b"}, "ab": []string{"ab"}, "ab and empty": []string{"ab", ""}, "empty and ab": []string{"", "ab"},
		"nested": [][]string{{"a"}, {"b"}}, "nested otherwise": [][]string{{"a", "b"}}, "nested with empty": [][]string{{"a", "b"}, {}},
		"list and text": []any{[]any{"a"}, "b"}, "list in a list": []any{[]any{"a", "b"}},
		"pointer": new(0), "nil pointer": struct{ P *int }{}, "pointer to zero": struct{ P *int }{new(0)}, "pointer to nil": struct{ P **int }{new((*int)(nil))},
		"a map": map[string]any{"a": 1}, "a map of two": map[string]any{"a": 1, "b": 1}, "a map of nil": map[string]any{"a": nil},
		"invalid UTF-8": "\xff", "other invalid UTF-8": "\xfe", "replacement": "\ufffd", "question": fullQuestion(), "no question": question{},
		"time": time.Unix(1, 0).UTC(), "time as text": time.Unix(1, 0).UTC().Format(time.RFC3339),
	} {
		add(name, Key{Request: request})
	}
}

func TestKeyTakesForEqual(t *testing.T) {
	type pair struct{ a, b any }
	for name, p := range map[string]pair{
		"nil and empty slice": {question{}, question{Tokens: []int64{}, Exclude: []string{}}},
		"nil and empty map":   {question{}, question{Filters: map[string]any{}}},
		"0 and -0":            {0.0, math.Copysign(0, -1)},
		"order of building":   {map[string]int{"a": 1, "b": 2, "c": 3}, map[string]int{"c": 3, "b": 2, "a": 1}},
		"sizes of numbers":    {int8(5), int64(5)},
		"pointers":            {question{Min: new(0.5)}, question{Min: new(0.5)}},
	} {
		a, errA := Key{Request: p.a}.Hash()
		b, errB := Key{Request: p.b}.Hash()
		if a != b || errA != nil || errB != nil {
			t.Errorf("%s: %s, %v and %s, %v", name, a, errA, b, errB)
		}
	}
}

type unwritable struct{}

func (unwritable) MarshalText() ([]byte, error) { return nil, errors.New("no text") }

func TestKeyRefuses(t *testing.T) {
	type loop struct{ Next any }
	endless := &loop{}
	endless.Next = endless
	for want, request := range map[string]any{
		"chan int":         make(chan int),
		"func()":           func() {},
		"NaN":              question{Filters: map[string]any{"price": math.NaN()}},
		"not exported":     struct{ hidden int }{1},
		"string keys":      map[int]string{1: "a"},
		"nested more than": endless,
		"complex128":       []any{1, 2i},
		"no text":          unwritable{},
	} {
		if hash, err := (Key{Request: request}).Hash(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, %v", want, hash, err)
		}
	}
	_, err := Key{Request: []question{{}, {Filters: map[string]any{"price": math.NaN()}}}}.Hash()
	if err == nil || !strings.Contains(err.Error(), `element 1: Filters: member "price"`) {
		t.Errorf("the error does not say where: %v", err)
	}
}

// FuzzKeyForm builds a value from the input, writes it in the key's form and
// reads it back. Since a reader exists that gets back every value, no two
// values are written alike.
func FuzzKeyForm(f *testing.F) {
	f.Add([]byte("\x05\x03a1b2\x06\x02xy\x00\x04\x01\x02"))
	f.Add([]byte("\x06\x03\x05\x00\x05\x01\x06\x01\x02\x07\x02ka\x03kb\x04"))
	f.Add([]byte{7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7})
	f.Fuzz(func(t *testing.T, seed []byte) {
		value, _ := build(seed, 0)
		form, err := appendValue(nil, reflect.ValueOf(value), 0)
		if err != nil {
			t.Fatalf("%#v: %v", value, err)
		}
		got, rest := read(t, form)
		if len(rest) != 0 || !reflect.DeepEqual(got, value) {
			t.Fatalf("%#v is written as %q and read as %#v, %d bytes left", value, form, got, len(rest))
		}
	})
}

// FuzzKeyText: fingerprint and text can be told apart wherever the border lies.
func FuzzKeyText(f *testing.F) {
	f.Add("model", "red shoes", 3)
	f.Add("", "\x00\x05model", 1)
	f.Fuzz(func(t *testing.T, fingerprint, text string, border int) {
		all := fingerprint + text
		border = min(max(border, 0), len(all))
		a, errA := Key{Fingerprint: fingerprint, Request: text}.Hash()
		b, errB := Key{Fingerprint: all[:border], Request: all[border:]}.Hash()
		if errA != nil || errB != nil || (a == b) != (border == len(fingerprint)) {
			t.Fatalf("%q + %q and %q + %q: %s, %v and %s, %v", fingerprint, text, all[:border], all[border:], a, errA, b, errB)
		}
	})
}

// build makes a value out of bytes, and returns the bytes it did not use.
func build(seed []byte, depth int) (any, []byte) {
	if len(seed) < 2 || depth > 10 {
		return nil, nil
	}
	kind, n, seed := seed[0]%9, int(seed[1]), seed[2:]
	switch kind {
	case 0:
		return nil, seed
	case 1:
		return n%2 == 0, seed
	case 2:
		return int64(int8(n)) << (n % 50), seed
	case 3:
		return uint64(n) << (n % 50), seed
	case 4:
		return float64(int8(n)) / 7, seed
	case 5:
		n = min(n, len(seed))
		return string(seed[:n]), seed[n:]
	case 6:
		n = min(n, len(seed))
		return append([]byte{}, seed[:n]...), seed[n:]
	case 7:
		return buildList(seed, n%8, depth)
	}
	return buildMap(seed, n%8, depth)
}

func buildList(seed []byte, n, depth int) (any, []byte) {
	list := make([]any, n)
	for i := range list {
		list[i], seed = build(seed, depth+1)
	}
	return list, seed
}

func buildMap(seed []byte, n, depth int) (any, []byte) {
	m := make(map[string]any)
	for i := range n {
		var v any
		v, seed = build(seed, depth+1)
		m[fmt.Sprint(i%3, v)] = v
	}
	return m, seed
}

// read is the inverse of appendValue for what build makes.
func read(t *testing.T, form []byte) (any, []byte) {
	kind, rest := form[0], form[1:]
	switch kind {
	case 'n':
		return nil, rest
	case 'p':
		return read(t, rest)
	case 'b':
		return rest[0] == 1, rest[1:]
	case 'i':
		return int64(binary.BigEndian.Uint64(rest)), rest[8:]
	case 'u':
		return binary.BigEndian.Uint64(rest), rest[8:]
	case 'f':
		return math.Float64frombits(binary.BigEndian.Uint64(rest)), rest[8:]
	case 's':
		text, rest := readText(rest)
		return text, rest
	case 'y':
		text, rest := readText(rest)
		return []byte(text), rest
	case 'l':
		n, size := binary.Uvarint(rest)
		list, rest := make([]any, n), rest[size:]
		for i := range list {
			list[i], rest = read(t, rest)
		}
		return list, rest
	case 'm':
		return readMap(t, rest)
	}
	t.Fatalf("kind %q in %q", kind, form)
	return nil, nil
}

func readMap(t *testing.T, form []byte) (any, []byte) {
	n, size := binary.Uvarint(form)
	m, rest := make(map[string]any), form[size:]
	var order []string
	for range n {
		var key string
		key, rest = readText(rest)
		m[key], rest = read(t, rest)
		order = append(order, key)
	}
	if want := slices.Sorted(maps.Keys(m)); !slices.Equal(order, want) {
		t.Fatalf("members in the order %q", order)
	}
	return m, rest
}

func readText(form []byte) (string, []byte) {
	n, size := binary.Uvarint(form)
	return string(form[size : size+int(n)]), form[size+int(n):]
}
