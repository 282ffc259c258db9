package sim

// rated is the quality of 264 queries on 2,000 rendered pictures when so many of
// their 50 candidates were read, by `go test -bench Benchmark/of-50 ./bench/rerank`.
type rated struct{ depth, ndcg, recall float64 }

// ratings are docs/rerank.md's.
func ratings() []rated {
	return []rated{
		{0, 0.8281, 0.7386},
		{1, 0.8281, 0.7386},
		{2, 0.8395, 0.8788},
		{4, 0.9198, 0.9697},
		{8, 0.9450, 0.9848},
		{12, 0.9581, 0.9886},
		{16, 0.9664, 0.9924},
		{20, 0.9705, 0.9924},
		{24, 0.9724, 0.9924},
		{32, 0.9801, 0.9924},
		{40, 0.9831, 0.9924},
		{50, 0.9865, 0.9924},
	}
}

// Quality is nDCG@10 and R@1 of the demo model when depth of 50 candidates were
// read; between the depths that were measured it lies on a line.
func Quality(depth int) (ndcg, recall float64) {
	d, all := float64(depth), ratings()
	for i, b := range all[1:] {
		if a := all[i]; d <= b.depth {
			part := (d - a.depth) / (b.depth - a.depth)
			return a.ndcg + part*(b.ndcg-a.ndcg), a.recall + part*(b.recall-a.recall)
		}
	}
	last := all[len(all)-1]
	return last.ndcg, last.recall
}

// rate fills in what the answers were worth.
func (r *Result) rate(all []answer, deadline float64) {
	for _, a := range all {
		if a.refused || a.took > deadline {
			continue
		}
		ndcg, recall := Quality(a.scored)
		r.InTime, r.NDCG, r.Recall = r.InTime+1, r.NDCG+ndcg, r.Recall+recall
	}
	n := float64(max(len(all), 1))
	r.InTime, r.NDCG, r.Recall = r.InTime/n, r.NDCG/n, r.Recall/n
}
