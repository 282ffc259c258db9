package eval

import (
	"bytes"
	"fmt"
	"io"
	"text/tabwriter"

	"sightline/rerank/blend"
)

// telling is how many queries must change before a difference means anything:
// of 20 changes of a fair coin, 15 or more fall one way 4 times in a hundred.
const telling = 20

// Print writes the comparison as a table.
func (r WeightsReport) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fit := r.Weights.Fitted
	fmt.Fprintf(t, "weights: %.4g × match logit + %.4g × cosine %+.4g, fitted to %d candidates of %d queries at depth %d\n\n",
		r.Weights.Logit, r.Weights.Cosine, r.Weights.Bias, fit.Pairs, fit.Queries, fit.Depth)
	fmt.Fprintln(t, "held out\tqueries\tlogit\tcosine\tR@1: BLIP\tfitted\tMRR: BLIP\tfitted\tnDCG@10: BLIP\tfitted\t")
	for i, f := range r.Folds {
		fmt.Fprintf(t, "fold %d\t%d\t%.4g\t%.4g\t%s\n", i+1, f.Queries, f.Logit, f.Cosine, beside(f.BLIP, f.Fitted))
	}
	fmt.Fprintf(t, "all\t%d\t\t\t%s\n", fit.Queries, beside(r.BLIP, r.Fitted))
	fmt.Fprintf(t, "\nnDCG@10 of queries that were held out: better for %d, worse for %d, the same for %d\n",
		r.Better, r.Worse, fit.Queries-r.Better-r.Worse)
	switch {
	case r.Better+r.Worse < telling:
		fmt.Fprintf(t, "fewer than %d queries change, too few to tell the two apart: keep BLIP's sum, or fit with more and harder queries\n", telling)
	case r.Fitted.NDCG <= r.BLIP.NDCG:
		fmt.Fprintln(t, "BLIP's sum ranks held-out queries as well or better: keep it")
	}
	return t.Flush()
}

func beside(a, b Quality) string {
	return fmt.Sprintf("%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t", a.R1, b.R1, a.MRR, b.MRR, a.NDCG, b.NDCG)
}

// SaveWeights writes the weights to a file. After a failure the file is as it was.
func (r WeightsReport) SaveWeights(path string) error {
	var b bytes.Buffer
	if err := blend.WriteWeights(&b, r.Weights); err != nil {
		return err
	}
	if err := replaceFile(path, b.Bytes()); err != nil {
		return fmt.Errorf("write weights %s: %w", path, err)
	}
	return nil
}
