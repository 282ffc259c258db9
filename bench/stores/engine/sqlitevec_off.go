//go:build !cgo || !sqlitevec

package engine

import (
	"context"
	"errors"
)

// Without the tag the module builds wherever Go does: sqlite-vec needs a C
// compiler and a header that run.sh points it to.
func vecKind() Kind     { return Kind{Name: "sqlite-vec", Version: vecMissing} }
func vecInt8Kind() Kind { return Kind{Name: "sqlite-vec int8", Version: vecMissing} }

func vecMissing(context.Context) (string, error) {
	return "", errors.New("this program was built without sqlite-vec; run.sh builds it in where there is a C compiler")
}
