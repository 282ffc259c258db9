package main

import (
	"errors"
	"fmt"
	"strings"
)

// claim is a sentence of a page with figures of raw results in it.
type claim struct{ page, says string }

// short has two digits, for prose.
func short(x float64) string {
	if x >= 9.95 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

// claims are the sentences that have to stand on pages, word for word.
func (b *book) claims() []claim {
	pair := b.ms(b.versus, pair8)
	small := b.p50(b.store(100_000, "embedded"), "")
	all := []claim{
		{"docs/faq.md", fmt.Sprintf("%s ms a candidate for 8 tokens, so about %s s for a depth of 50", short(pair), short(pair*50/1e3))},
		{"docs/faq.md", fmt.Sprintf("the vectors themselves %.0f ms for 100,000 items", small)},
		{"docs/faq.md", fmt.Sprintf("An import takes %.2f s a picture", b.ms(b.versus, oneTower)/1e3)},
	}
	all = append(all, claim{"docs/faq.md", fmt.Sprintf("On one H100 128 candidates take %s ms", between(b.card.ours))})
	if len(b.quality.Runs) == 0 {
		return all
	}
	none, deep := b.ranked("fp32", "text", 0), b.ranked("fp32", "text", 50)
	for _, kind := range []string{"binding", "set", "relation"} {
		all = append(all,
			claim{"README.md", fmt.Sprintf("| %.2f | **%.2f** |", none.Kinds[kind].R1, deep.Kinds[kind].R1)},
			claim{"docs/model-card.md", fmt.Sprintf("| %.3f", none.Kinds[kind].R1)})
	}
	for _, depth := range []int{10, 20, 50, 100} {
		r := b.ranked("fp32", "text", depth)
		all = append(all, claim{"docs/model-card.md", fmt.Sprintf("| %d | %.3f |", depth, r.R1)})
	}
	none, deep = b.ranked("int8, int8 patch states", "text", 0), b.ranked("int8, int8 patch states", "text", 50)
	return append(all,
		claim{"docs/models.md", fmt.Sprintf("| %.3f / %.3f | %.3f / %.3f |", none.R1, none.NDCG, deep.R1, deep.NDCG)},
		claim{"docs/capfilt.md", fmt.Sprintf("| %s | %s |", b.faults("precision"), b.faults("recall"))},
		claim{"README.md", fmt.Sprintf("precision %.4s, recall %.4s", b.faults("precision"), b.faults("recall"))},
		claim{"docs/model-card.md", "**" + b.cell(b.quality.Captions, "greedy", "exact") + "**"})
}

// disagreements are claims that their pages do not have.
func (b *book) disagreements() error {
	var errs []error
	for _, c := range b.claims() {
		text, err := b.text(c.page)
		if err != nil {
			return err
		}
		if !strings.Contains(strings.Join(strings.Fields(text), " "), c.says) {
			errs = append(errs, fmt.Errorf("%s has to say: %s", c.page, c.says))
		}
	}
	return errors.Join(errs...)
}
