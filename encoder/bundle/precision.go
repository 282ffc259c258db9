package bundle

import "fmt"

// Precisions of a bundle: what its weights are stored as and its graphs compute
// in. Each rounds embeddings and states its own way, by about 1e-3 between these
// two, so the precision is part of the fingerprint and an index made with one is
// not read with the other.
const (
	FP32 = "fp32" // the reference, for every device
	FP16 = "fp16" // for CUDA; on a CPU it runs, slower than fp32
)

// CheckPrecision returns an error that names the precisions for any other one.
func CheckPrecision(p string) error {
	if p != FP32 && p != FP16 {
		return fmt.Errorf("precision %q: use %s, or %s for CUDA", p, FP32, FP16)
	}
	return nil
}
