//go:build cgo && !windows

package ort

/*
#cgo CFLAGS: -O3 -Wall -Wno-psabi
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "ops.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"sightline/encoder/ort/kernel"
)

// operators is the domain "sightline" of custom operators, which call package
// kernel. Sessions use it as long as they live, so it is freed with the last of
// its users: the Runtime and its sessions.
type operators struct {
	domain *C.sl_domain

	mu    sync.Mutex
	users int // 0: freed
}

// whySize is room for ONNX Runtime's longest messages.
const whySize = 512

// openOperators makes the domain of the library at path, which must be the one
// that is initialised, for runs of that many threads.
func openOperators(path string, threads int) (*operators, error) {
	if err := kernel.Limit(); err != nil {
		return nil, err
	}
	return openOperatorsAt(path, threads, kernel.Instructions())
}

// openOperatorsAt is openOperators with the instructions for Linears named.
func openOperatorsAt(path string, threads int, instructions string) (*operators, error) {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	why := (*C.char)(C.calloc(1, whySize))
	defer C.free(unsafe.Pointer(why))
	level := C.CString(instructions)
	defer C.free(unsafe.Pointer(level))
	domain := C.sl_open(p, (*C.sl_functions)(kernel.Functions()), level, C.int(threads), why, whySize)
	if domain == nil {
		return nil, errors.New(C.GoString(why))
	}
	o := &operators{domain: domain, users: 1}
	if err := o.try(); err != nil {
		o.release()
		return nil, err
	}
	return o, nil
}

// try registers the domain once, so that a binding whose options cannot be
// reached is noticed before the first graph is chosen.
func (o *operators) try() error {
	so, err := onnx.NewSessionOptions()
	if err != nil {
		return fmt.Errorf("session options: %w", err)
	}
	return errors.Join(o.register(so), so.Destroy())
}

// register makes the operators known to sessions of these options. The caller
// is a user.
func (o *operators) register(so *onnx.SessionOptions) error {
	pointer, err := optionsPointer(so)
	if err != nil {
		return err
	}
	why := (*C.char)(C.calloc(1, whySize))
	defer C.free(unsafe.Pointer(why))
	if !C.sl_register(o.domain, pointer, why, whySize) {
		return fmt.Errorf("register operators: %s", C.GoString(why))
	}
	return nil
}

// optionsPointer is ONNX Runtime's own pointer to the session options. The Go
// binding has no call for custom operators and keeps the pointer to itself, in
// the only field of the struct. An update that changes that gives an error here,
// and graphs run without our operators; TestOptionsPointer then fails.
func optionsPointer(so *onnx.SessionOptions) (unsafe.Pointer, error) {
	v := reflect.ValueOf(so).Elem()
	field := v.FieldByName("o")
	if v.NumField() != 1 || !field.IsValid() || field.Kind() != reflect.Pointer || field.Type().Elem().Name() != optionsType {
		return nil, fmt.Errorf("this version of onnxruntime_go keeps its session options in another form: %s", v.Type())
	}
	if field.IsNil() {
		return nil, errors.New("session options are freed already")
	}
	return field.UnsafePointer(), nil
}

// optionsType is cgo's name of the C type.
const optionsType = "_Ctype_struct_OrtSessionOptions"

// hold adds a user; false after the last release.
func (o *operators) hold() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.users == 0 {
		return false
	}
	o.users++
	return true
}

// release takes a user off and frees the domain with the last.
func (o *operators) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.users--; o.users == 0 {
		C.sl_close(o.domain)
		o.domain = nil
	}
}

// instructions names what the kernels use on this processor.
func (o *operators) instructions() string { return kernel.Instructions() }
