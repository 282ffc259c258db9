package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// This machine is our own because the one Go library for it, nlpodyssey/gopickle,
// has had no release since 2023, resolves globals through open-ended callbacks
// and has no bounds on what a stream may build. What torch.save writes needs a
// small part of pickle only: protocols 2 to 5, six kinds of globals, no objects.
//
// Nothing here recurses: nesting, sharing and cycles cost what their opcodes
// cost. A stream cannot loop, so time is bounded by its length, and memory by
// the limits below.
const (
	maxOps    = 1 << 20 // about 35 opcodes a tensor: 30,000 tensors
	maxStack  = 1 << 16 // the writer flushes containers every 1,000 items
	maxMarks  = 1 << 10 // nesting; Python's own writer stops at about 1,000
	maxMemo   = 1 << 19
	maxString = 1 << 20
)

// The values that the machine builds, beside nil, bool, int64, float64 and
// string. Containers are pointers because a pickle fills them after sharing.
type (
	tuple []any
	list  struct{ items []any }
	pair  struct{ key, value any }
	dict  struct {
		pairs   []pair
		ordered bool // collections.OrderedDict, the only object that may be given state
	}
	// opaque stands for values nobody reads here: sets, bytes, huge integers.
	opaque struct{}
)

type machine struct {
	data  []byte
	pos   int
	stack []any
	marks []int // stack heights at the open MARKs
	memo  map[uint32]any
	ops   int
}

// unpickle rebuilds the one object of a pickle stream.
func unpickle(data []byte) (any, error) {
	m := &machine{data: data, memo: make(map[uint32]any)}
	for {
		at := m.pos
		root, done, err := m.next()
		if err != nil {
			return nil, fmt.Errorf("pickle byte %d: %w", at, err)
		}
		if done {
			return root, nil
		}
	}
}

// next runs one opcode; done is set by STOP.
func (m *machine) next() (root any, done bool, err error) {
	op, err := m.byte()
	if err != nil {
		return nil, false, err
	}
	if m.ops++; m.ops > maxOps {
		return nil, false, fmt.Errorf("more than %d opcodes", maxOps)
	}
	if op == opStop {
		if len(m.stack) != 1 || len(m.marks) != 0 {
			return nil, false, fmt.Errorf("ends with %d values on the stack instead of one", len(m.stack))
		}
		return m.stack[0], true, nil
	}
	for _, group := range [...]func(byte) (bool, error){m.constant, m.text, m.memory, m.container, m.object} {
		if known, err := group(op); known || err != nil {
			return nil, false, err
		}
	}
	return nil, false, fmt.Errorf("opcode %#02x is not part of what torch.save writes", op)
}

func (m *machine) push(v any) error {
	if len(m.stack) == maxStack {
		return fmt.Errorf("more than %d values on the stack", maxStack)
	}
	m.stack = append(m.stack, v)
	return nil
}

// result pushes what an opcode made, if it could make it.
func (m *machine) result(v any, err error) error {
	if err != nil {
		return err
	}
	return m.push(v)
}

// floor is the height below which values belong to an open MARK's owner.
func (m *machine) floor() int {
	if len(m.marks) == 0 {
		return 0
	}
	return m.marks[len(m.marks)-1]
}

var errUnderflow = errors.New("takes a value from an empty stack")

func (m *machine) pop() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errUnderflow
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

// take pops n values, oldest first.
func (m *machine) take(n int) ([]any, error) {
	if len(m.stack)-n < m.floor() {
		return nil, errUnderflow
	}
	items := append([]any(nil), m.stack[len(m.stack)-n:]...)
	m.stack = m.stack[:len(m.stack)-n]
	return items, nil
}

func (m *machine) takeToMark() ([]any, error) {
	if len(m.marks) == 0 {
		return nil, errors.New("needs a MARK that is not there")
	}
	items, err := m.take(len(m.stack) - m.floor())
	m.marks = m.marks[:len(m.marks)-1]
	return items, err
}

// top is the newest value, left in place.
func (m *machine) top() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errUnderflow
	}
	return m.stack[len(m.stack)-1], nil
}

func (m *machine) bytes(n int) ([]byte, error) {
	if n > len(m.data)-m.pos {
		return nil, fmt.Errorf("the pickle is cut short: %w", io.ErrUnexpectedEOF)
	}
	b := m.data[m.pos : m.pos+n]
	m.pos += n
	return b, nil
}

func (m *machine) byte() (byte, error) {
	b, err := m.bytes(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// uint reads an unsigned little-endian number of 1, 2, 4 or 8 bytes.
func (m *machine) uint(width int) (uint64, error) {
	b, err := m.bytes(width)
	if err != nil {
		return 0, err
	}
	var full [8]byte
	copy(full[:], b)
	return binary.LittleEndian.Uint64(full[:]), nil
}

// counted reads a length of the given width and that many bytes.
func (m *machine) counted(width int) ([]byte, error) {
	n, err := m.uint(width)
	if err != nil {
		return nil, err
	}
	if n > maxString {
		return nil, fmt.Errorf("a value of %d bytes, more than %d", n, maxString)
	}
	return m.bytes(int(n))
}

// line reads to the next newline, which is left out.
func (m *machine) line() (string, error) {
	n := bytes.IndexByte(m.data[m.pos:], '\n')
	if n < 0 || n > maxString {
		return "", fmt.Errorf("a name without an end: %w", io.ErrUnexpectedEOF)
	}
	s := string(m.data[m.pos : m.pos+n])
	m.pos += n + 1
	return s, nil
}

// integer pushes a little-endian two's complement number of any width.
func (m *machine) integer(b []byte, err error) error {
	if err != nil {
		return err
	}
	if len(b) > 8 {
		return m.push(opaque{})
	}
	var full [8]byte
	if len(b) > 0 && b[len(b)-1] >= 0x80 {
		full = [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	copy(full[:], b)
	return m.push(int64(binary.LittleEndian.Uint64(full[:])))
}

func (m *machine) float() error {
	b, err := m.bytes(8)
	if err != nil {
		return err
	}
	return m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
}
