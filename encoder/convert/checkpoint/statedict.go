package checkpoint

import (
	"errors"
	"fmt"
)

// stateDict finds the dict of tensors: the root itself, or its entry "model"
// (the original BLIP files, with optimizer, config and epoch beside it) or
// "state_dict". What lies beside it is not looked at.
func stateDict(root any) (*dict, error) {
	d, ok := root.(*dict)
	if !ok {
		return nil, fmt.Errorf("data.pkl holds %s instead of a dict of tensors; save the state_dict: torch.save(model.state_dict(), new)", kind(root))
	}
	for _, wrapper := range []string{"model", "state_dict"} {
		inner, err := d.inner(wrapper)
		if inner != nil || err != nil {
			return inner, err
		}
	}
	return d, nil
}

func (d *dict) inner(name string) (*dict, error) {
	var found *dict
	for _, p := range d.pairs {
		if p.key != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("the entry %q occurs twice", name)
		}
		found, _ = p.value.(*dict)
	}
	return found, nil
}

// tensors reads one level of a state dict: its names are flat strings. Values
// that are no tensors are left out.
func (a *archive) tensors(state *dict) (map[string]Tensor, error) {
	out := make(map[string]Tensor)
	for _, p := range state.pairs {
		v, ok := p.value.(*tensorRef)
		if !ok {
			continue
		}
		name, ok := p.key.(string)
		if !ok {
			return nil, fmt.Errorf("a tensor is named by %s instead of a string", kind(p.key))
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("tensor %.200q: the name occurs twice", name)
		}
		t, err := a.tensor(v)
		if err != nil {
			return nil, fmt.Errorf("tensor %.200q: %w", name, err)
		}
		out[name] = t
	}
	if len(out) == 0 {
		return nil, errors.New(`no tensors in it: expected a state dict, or a dict with one under "model" or "state_dict"`)
	}
	return out, nil
}
