package checkpoint

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Opcodes, by the names of Python's pickletools.
const (
	opMark, opStop, opPop, opPopMark, opDup = '(', '.', '0', '1', '2'

	opProto, opFrame                           = 0x80, 0x95
	opNone, opTrue, opFalse                    = 'N', 0x88, 0x89
	opBinInt, opBinInt1, opBinInt2             = 'J', 'K', 'M'
	opLong1, opLong4, opBinFloat               = 0x8a, 0x8b, 'G'
	opUnicode, opShortUnicode, opUnicode8      = 'X', 0x8c, 0x8d
	opString, opShortString                    = 'T', 'U'
	opBytes, opShortBytes, opBytes8, opArray8  = 'B', 'C', 0x8e, 0x96
	opGet, opLongGet, opPut, opLongPut         = 'h', 'j', 'q', 'r'
	opMemoize                                  = 0x94
	opEmptyTuple, opTuple                      = ')', 't'
	opTuple1, opTuple2, opTuple3               = 0x85, 0x86, 0x87
	opEmptyList, opList, opAppend, opAppends   = ']', 'l', 'a', 'e'
	opEmptyDict, opDict, opSetItem, opSetItems = '}', 'd', 's', 'u'
	opEmptySet, opAddItems, opFrozenSet        = 0x8f, 0x90, 0x91
	opGlobal, opStackGlobal                    = 'c', 0x93
	opReduce, opBuild, opPersistentID          = 'R', 'b', 'Q'
)

// constant runs the opcodes that push a number or a singleton, and the framing.
func (m *machine) constant(op byte) (bool, error) {
	switch op {
	case opProto:
		return true, m.protocol()
	case opFrame: // a hint for readers that fetch in blocks
		_, err := m.uint(8)
		return true, err
	case opNone:
		return true, m.push(nil)
	case opTrue, opFalse:
		return true, m.push(op == opTrue)
	case opBinInt:
		b, err := m.bytes(4)
		return true, m.integer(b, err)
	case opBinInt1:
		v, err := m.uint(1)
		return true, m.result(int64(v), err)
	case opBinInt2:
		v, err := m.uint(2)
		return true, m.result(int64(v), err)
	case opLong1:
		b, err := m.counted(1)
		return true, m.integer(b, err)
	case opLong4:
		b, err := m.counted(4)
		return true, m.integer(b, err)
	case opBinFloat:
		return true, m.float()
	}
	return false, nil
}

func (m *machine) protocol() error {
	version, err := m.byte()
	if err == nil && (version < 2 || version > 5) {
		err = fmt.Errorf("pickle protocol %d, not 2 to 5", version)
	}
	return err
}

// text runs the opcodes that push a string, or bytes, which nobody reads.
func (m *machine) text(op byte) (bool, error) {
	var width int
	switch op {
	case opShortUnicode, opShortString, opShortBytes:
		width = 1
	case opUnicode, opString, opBytes:
		width = 4
	case opUnicode8, opBytes8, opArray8:
		width = 8
	default:
		return false, nil
	}
	b, err := m.counted(width)
	if err != nil {
		return true, err
	}
	switch op {
	case opShortBytes, opBytes, opBytes8, opArray8:
		return true, m.push(opaque{})
	}
	if !utf8.Valid(b) {
		return true, errors.New("a string that is not UTF-8")
	}
	return true, m.push(string(b))
}

// memory runs the opcodes that move values between stack, marks and memo.
func (m *machine) memory(op byte) (bool, error) {
	switch op {
	case opMark:
		if len(m.marks) == maxMarks {
			return true, fmt.Errorf("nested more than %d deep", maxMarks)
		}
		m.marks = append(m.marks, len(m.stack))
		return true, nil
	case opPop:
		if len(m.marks) > 0 && len(m.stack) == m.floor() {
			m.marks = m.marks[:len(m.marks)-1]
			return true, nil
		}
		_, err := m.pop()
		return true, err
	case opPopMark:
		_, err := m.takeToMark()
		return true, err
	case opDup:
		v, err := m.top()
		return true, m.result(v, err)
	case opGet:
		return true, m.recall(1)
	case opLongGet:
		return true, m.recall(4)
	case opPut:
		return true, m.remember(1)
	case opLongPut:
		return true, m.remember(4)
	case opMemoize:
		return true, m.store(uint32(len(m.memo)))
	}
	return false, nil
}

func (m *machine) recall(width int) error {
	key, err := m.uint(width)
	if err != nil {
		return err
	}
	v, ok := m.memo[uint32(key)]
	if !ok {
		return fmt.Errorf("recalls memo %d, which was never stored", key)
	}
	return m.push(v)
}

func (m *machine) remember(width int) error {
	key, err := m.uint(width)
	if err != nil {
		return err
	}
	return m.store(uint32(key))
}

func (m *machine) store(key uint32) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	if m.memo[key] = v; len(m.memo) > maxMemo {
		return fmt.Errorf("more than %d memo entries", maxMemo)
	}
	return nil
}

// container runs the opcodes that make and fill tuples, lists, dicts and sets.
func (m *machine) container(op byte) (bool, error) {
	switch op {
	case opEmptyTuple:
		return true, m.push(tuple(nil))
	case opTuple1, opTuple2, opTuple3:
		items, err := m.take(int(op-opTuple1) + 1)
		return true, m.result(tuple(items), err)
	case opTuple:
		items, err := m.takeToMark()
		return true, m.result(tuple(items), err)
	case opEmptyList:
		return true, m.push(&list{})
	case opList:
		items, err := m.takeToMark()
		return true, m.result(&list{items: items}, err)
	case opEmptyDict:
		return true, m.push(&dict{})
	case opDict:
		items, err := m.takeToMark()
		if err != nil {
			return true, err
		}
		d := &dict{}
		return true, m.result(d, d.set(items))
	case opEmptySet:
		return true, m.push(opaque{})
	case opFrozenSet:
		_, err := m.takeToMark()
		return true, m.result(opaque{}, err)
	case opAppend:
		items, err := m.take(1)
		return true, m.extend(op, items, err)
	case opSetItem:
		items, err := m.take(2)
		return true, m.extend(op, items, err)
	case opAppends, opSetItems, opAddItems:
		items, err := m.takeToMark()
		return true, m.extend(op, items, err)
	}
	return false, nil
}

// extend adds items, if they could be had, to the container on top of the stack.
func (m *machine) extend(op byte, items []any, err error) error {
	if err != nil {
		return err
	}
	target, err := m.top()
	if err != nil {
		return err
	}
	switch c := target.(type) {
	case *list:
		if op == opAppend || op == opAppends {
			c.items = append(c.items, items...)
			return nil
		}
	case *dict:
		if op == opSetItem || op == opSetItems {
			return c.set(items)
		}
	case opaque:
		if op == opAddItems {
			return nil
		}
	}
	return fmt.Errorf("opcode %#02x adds items to %s", op, kind(target))
}

// set adds alternating keys and values. Equal keys are kept apart: whoever
// reads the dict refuses them.
func (d *dict) set(items []any) error {
	if len(items)%2 != 0 {
		return errors.New("a dict key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		d.pairs = append(d.pairs, pair{items[i], items[i+1]})
	}
	return nil
}

// kind names a value for an error.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case int64:
		return "an integer"
	case tuple:
		return "a tuple"
	case *list:
		return "a list"
	case *dict:
		return "a dict"
	case *tensorRef:
		return "a tensor"
	case *storage:
		return "a storage"
	case function:
		return "the global " + string(v)
	case opaque:
		return "bytes, a set or a huge integer"
	}
	return fmt.Sprintf("a %T", v)
}
