//go:build cgo && linux

package main

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>

static int call_fault(const char *path) {
	void *library = dlopen(path, RTLD_NOW);
	int (*fault)(void) = library ? (int (*)(void))dlsym(library, "fault") : NULL;
	return fault ? fault() : -1;
}
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"unsafe"

	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/ort"
)

// lost breaks the device under a loaded graph, as a failing card would, and
// returns what the runtime says then.
func lost(ctx context.Context, s settings) (any, error) {
	rt, err := openRuntime(s, "")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(s.model, bundle.GraphText.File())
	session, err := rt.Load(ctx, path)
	if err != nil {
		return nil, err
	}
	m, err := bundle.Read(s.model)
	if err != nil {
		return nil, err
	}
	inputs := graphInputs(m, bundle.GraphText)
	_, before := session.Run(ctx, inputs...)
	healthy := errors.Join(before, rt.Health(ctx))
	name := C.CString(s.fault)
	defer C.free(unsafe.Pointer(name))
	if code := C.call_fault(name); code == 0 || healthy != nil {
		return nil, fmt.Errorf("the fault did not happen (%d), or the device was broken before: %w", code, healthy)
	}
	return afterLoss(ctx, rt, session, inputs, path), nil
}

func afterLoss(ctx context.Context, rt *ort.Runtime, session encoder.Session, inputs []encoder.Tensor, path string) map[string]string {
	_, first := session.Run(ctx, inputs...)
	_, second := session.Run(ctx, inputs...)
	_, load := rt.Load(ctx, path)
	said := map[string]string{}
	for what, err := range map[string]error{"run": first, "run again": second, "load": load, "health": rt.Health(ctx)} {
		said[what] = fmt.Sprintf("lost: %v; %v", errors.Is(err, ort.ErrDeviceLost), err)
	}
	said["close"] = fmt.Sprint(errors.Join(session.Close(), rt.Close()))
	return said
}
