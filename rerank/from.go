package rerank

import (
	"context"

	"sightline/encoder"
)

// RerankFrom is Rerank with patch states from src, for pictures that are not
// stored. It reads all candidates up to Options.Depth, whatever Options.Page says,
// and shares device and Scheduler with other requests. src is called as a
// FeatureSource of New is.
func (r *Reranker) RerankFrom(ctx context.Context, q encoder.Query, cands []Candidate, src FeatureSource) Outcome {
	other := *r
	other.source = src
	return other.RerankPage(ctx, q, cands, 0)
}
