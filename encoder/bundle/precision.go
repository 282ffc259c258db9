package bundle

import "fmt"

// Precisions of a bundle: what its weights are stored as and its graphs compute
// in. Each rounds embeddings and states its own way, float16 by about 1e-3 and
// int8 by about 1e-2, so the precision is part of the fingerprint and an index
// made with one is not read with the other.
const (
	FP32 = "fp32" // the reference, for every device
	FP16 = "fp16" // for CUDA; on a CPU it runs, slower than fp32
	INT8 = "int8" // for CPUs alone: CUDA has no kernels for its products
)

// CheckPrecision returns an error that names the precisions for any other one.
func CheckPrecision(p string) error {
	if p != FP32 && p != FP16 && p != INT8 {
		return fmt.Errorf("precision %q: use %s, %s for CUDA or %s for a CPU", p, FP32, FP16, INT8)
	}
	return nil
}
