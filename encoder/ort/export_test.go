//go:build cgo && !windows

package ort

import "sightline/encoder/ort/kernel"

// NewAt is New with our own operators' Linears on the named instructions.
func NewAt(o Options, instructions string) (*Runtime, error) {
	o.Kernel = KernelOff
	rt, err := New(o)
	if err != nil {
		return nil, err
	}
	rt.ops, err = openOperatorsAt(rt.options.Library, rt.options.Threads, instructions)
	return rt, err
}

// Instructions are those that this processor has, the last the best.
func Instructions() []string {
	all := []string{"portable", "avx2", "avx512vnni", "amx"}
	for i, name := range all {
		if name == kernel.Instructions() {
			return all[:i+1]
		}
	}
	return all[:1]
}

// OperatorUsers counts the Runtime and the sessions that use its operators.
func OperatorUsers(rt *Runtime) int {
	rt.ops.mu.Lock()
	defer rt.ops.mu.Unlock()
	return rt.ops.users
}
