package bundle_test

import (
	"strings"
	"testing"

	"sightline/encoder/bundle"
)

func TestCheckPrecision(t *testing.T) {
	for _, p := range []string{bundle.FP32, bundle.FP16, bundle.INT8} {
		if err := bundle.CheckPrecision(p); err != nil {
			t.Error(err)
		}
	}
	for _, p := range []string{"", "int4", "FP16"} {
		if err := bundle.CheckPrecision(p); err == nil || !strings.Contains(err.Error(), bundle.FP16) {
			t.Errorf("%q: error %v, want one that names the precisions", p, err)
		}
	}
}
