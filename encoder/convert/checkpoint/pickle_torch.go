package checkpoint

import (
	"errors"
	"fmt"
	"math"
)

// storage is a run of elements that tensors are views of; key names its zip
// entry.
type storage struct {
	dtype DType
	key   string
	numel int64
}

// tensorRef is what _rebuild_tensor_v2 makes: shape and strides over a storage, in
// elements. bad is set instead of failing at once: the name of a tensor is
// known only when the dict around it is read.
type tensorRef struct {
	storage *storage
	offset  int64
	shape   []int64
	strides []int64
	bad     error
}

// function is a global of the allow-list.
type function string

const (
	rebuildTensor    function = "torch._utils._rebuild_tensor_v2"
	rebuildParameter function = "torch._utils._rebuild_parameter"
	orderedDict      function = "collections.OrderedDict"
	torchSize        function = "torch.Size"
)

// storageType returns the element type of a storage class, "" for another name.
func storageType(f function) DType {
	switch f {
	case "torch.FloatStorage":
		return F32
	case "torch.HalfStorage":
		return F16
	case "torch.BFloat16Storage":
		return BF16
	case "torch.LongStorage":
		return I64
	case "torch.IntStorage":
		return "I32"
	case "torch.DoubleStorage":
		return "F64"
	case "torch.ByteStorage":
		return "U8"
	case "torch.BoolStorage":
		return "BOOL"
	case "torch.CharStorage":
		return "I8"
	case "torch.ShortStorage":
		return "I16"
	}
	return ""
}

// object runs the opcodes with which a pickle could reach into Python.
func (m *machine) object(op byte) (bool, error) {
	switch op {
	case opGlobal:
		module, err := m.line()
		if err != nil {
			return true, err
		}
		name, err := m.line()
		if err != nil {
			return true, err
		}
		return true, m.global(module, name)
	case opStackGlobal:
		items, err := m.take(2)
		if err != nil {
			return true, err
		}
		module, isModule := items[0].(string)
		name, isName := items[1].(string)
		if !isModule || !isName {
			return true, errors.New("a global whose name is not a string")
		}
		return true, m.global(module, name)
	case opReduce:
		items, err := m.take(2)
		if err != nil {
			return true, err
		}
		return true, m.reduce(items[0], items[1])
	case opBuild:
		return true, m.build()
	case opPersistentID:
		id, err := m.pop()
		if err != nil {
			return true, err
		}
		return true, m.persistent(id)
	}
	return false, nil
}

// global is the allow-list.
func (m *machine) global(module, name string) error {
	f := function(module + "." + name)
	switch f {
	case rebuildTensor, rebuildParameter, orderedDict, torchSize:
		return m.push(f)
	}
	if storageType(f) != "" {
		return m.push(f)
	}
	return fmt.Errorf("refuses %.200q: only tensors are read, nothing is executed; save the state_dict alone: torch.save(model.state_dict(), new)", string(f))
}

func (m *machine) reduce(callee, arguments any) error {
	f, isFunction := callee.(function)
	args, isTuple := arguments.(tuple)
	if !isFunction || !isTuple {
		return fmt.Errorf("calls %s with %s", kind(callee), kind(arguments))
	}
	switch f {
	case rebuildTensor:
		return m.push(newTensorRef(args))
	case rebuildParameter: // (tensor, requires_grad, hooks)
		if len(args) > 0 {
			if v, ok := args[0].(*tensorRef); ok {
				return m.push(v)
			}
		}
	case torchSize: // (tuple)
		if len(args) == 1 {
			if size, ok := args[0].(tuple); ok {
				return m.push(size)
			}
		}
	case orderedDict: // its items follow by SETITEMS
		if len(args) == 0 {
			return m.push(&dict{ordered: true})
		}
	}
	return fmt.Errorf("calls %s with unexpected arguments", f)
}

// newTensorRef checks the arguments of _rebuild_tensor_v2: storage, offset, size,
// stride, then what concerns training only.
func newTensorRef(args tuple) *tensorRef {
	if len(args) < 4 {
		return &tensorRef{bad: fmt.Errorf("%s has %d arguments", rebuildTensor, len(args))}
	}
	s, isStorage := args[0].(*storage)
	offset, isInt := args[1].(int64)
	shape, isShape := int64s(args[2])
	strides, isStrides := int64s(args[3])
	if !isStorage || !isInt || !isShape || !isStrides {
		return &tensorRef{bad: fmt.Errorf("built from %s, %s, %s, %s instead of a storage, an offset, a shape and strides",
			kind(args[0]), kind(args[1]), kind(args[2]), kind(args[3]))}
	}
	return &tensorRef{storage: s, offset: offset, shape: shape, strides: strides}
}

func int64s(v any) ([]int64, bool) {
	items, ok := v.(tuple)
	if !ok || len(items) > maxRank {
		return nil, false
	}
	out := make([]int64, len(items))
	for i, item := range items {
		if out[i], ok = item.(int64); !ok {
			return nil, false
		}
	}
	return out, true
}

// build gives an object state. Only OrderedDict gets any: the _metadata that
// Module.state_dict() hangs on it, which holds format versions of modules and
// is of no use here.
func (m *machine) build() error {
	items, err := m.take(2)
	if err != nil {
		return err
	}
	if d, ok := items[0].(*dict); !ok || !d.ordered {
		return fmt.Errorf("sets attributes of %s", kind(items[0]))
	}
	return m.push(items[0])
}

// persistent resolves ("storage", class, key, location, numel).
func (m *machine) persistent(id any) error {
	t, ok := id.(tuple)
	if !ok || len(t) != 5 || t[0] != "storage" {
		return errors.New("refers to something else than a storage")
	}
	class, isFunction := t[1].(function)
	key, isString := t[2].(string)
	numel, isInt := t[4].(int64)
	if !isFunction || !isString || !isInt || storageType(class) == "" {
		return fmt.Errorf("a storage reference made of %s, %s, %s", kind(t[1]), kind(t[2]), kind(t[4]))
	}
	if numel < 0 || numel > math.MaxInt64/64 {
		return fmt.Errorf("storage %.200q of %d elements", key, numel)
	}
	return m.push(&storage{dtype: storageType(class), key: key, numel: numel})
}
