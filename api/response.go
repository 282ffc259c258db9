package api

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"sightline/rerank"
	"sightline/store"
)

// SearchResponse is the answer to a search, as JSON.
type SearchResponse struct {
	Hits []Hit `json:"hits"`
	// NoGoodMatch says that there were candidates and min_match left none of
	// them; without a min_match, on a calibrated model, that all were read and
	// none is more likely to match than not. The nearest are listed all the same.
	NoGoodMatch bool `json:"no_good_match"`
	Rerank      Look `json:"rerank"`
	// Blend is about an order that is more than BLIP's sum; zero without.
	Blend Blended `json:"blend,omitzero"`
	// Facets are what was counted, by field.
	Facets map[string]FacetCounts `json:"facets,omitempty"`
	// Query repeats the text. Tokens includes the first and the last, special,
	// one; Cut counts the pieces at the end that the model did not read.
	Query struct {
		Text   string `json:"text"`
		Tokens int    `json:"tokens"`
		Cut    int    `json:"cut"`
	} `json:"query"`
	Timings Timings `json:"timings_ms"`
	// Cached says that the answer was worked out for an earlier request; only
	// Timings.Total is of this one.
	Cached    bool   `json:"cached"`
	Model     string `json:"model"`
	RequestID string `json:"request_id,omitempty"`

	rerankErr  error // why the second look, a part of the order or facets failed; for the log only
	calibrated bool  // Engine.Calibrated

	facetsFailed string // FacetCounts.Failed of any
}

// Look says how far the second look came. It decides which hits count as read.
type Look struct {
	Part

	// Read is what of the candidates was read with the query: ReadPictures with
	// a text, ReadTitles with a picture alone, "" without a second look.
	Read string `json:"read,omitempty"`
	// Titles are those that the picture of a search by text and picture was read
	// with, Negative the pictures that the negative text was read with. They
	// count where they could be read to the end; zero where nobody asked.
	Titles   Part `json:"titles,omitzero"`
	Negative Part `json:"negative,omitzero"`
}

// Part counts the candidates of one reading. Stopped is "" when all within the
// depth were read, else why not (rerank.Stopped…).
type Part struct {
	Scored  int    `json:"scored"`
	Of      int    `json:"of"`
	Stopped string `json:"stopped"`
}

// What a second look reads.
const (
	ReadPictures = "pictures"
	ReadTitles   = "titles"
)

// final says that another try would end with the same page.
func (p Part) final() bool { return p.whole() || p.Stopped == rerank.StoppedSettled }

// whole says that another try would come no further.
func (p Part) whole() bool {
	return p.Stopped == "" || p.Stopped == rerank.StoppedDisabled || p.Stopped == rerank.StoppedMissing
}

// Timings are those of the stages of one search.
type Timings struct {
	Tokenize milliseconds `json:"tokenize"`
	Encode   milliseconds `json:"encode"`
	Search   milliseconds `json:"search"`
	Rerank   milliseconds `json:"rerank"`
	Blend    milliseconds `json:"blend,omitzero"` // see SearchResponse.Blend
	Total    milliseconds `json:"total"`
}

// Hit is one item of an answer. ITMLogit and MatchProbability are nil where
// the second look did not reach; Score is then the cosine alone, unless weights
// or boosts have made it comparable (package blend).
type Hit struct {
	ID               string     `json:"id"`
	Score            float64    `json:"score"` // ITMLogit + ITC; of composed searches see docs/rest.md
	ITC              float64    `json:"itc"`   // cosine of query and picture
	ITMLogit         *float32   `json:"itm_logit"`
	TitleLogit       *float32   `json:"title_logit,omitempty"`    // of the picture and the title, beside text
	NegativeLogit    *float32   `json:"negative_logit,omitempty"` // of the negative text
	MatchProbability *float64   `json:"match_probability"`
	Rank             int        `json:"rank"`              // place in the answer, from 1
	ITCRank          int        `json:"itc_rank"`          // place before the second look, from 1
	View             int        `json:"view,omitempty"`    // which picture of the item was found: 0 the main one, n the n-th further one
	Folded           int        `json:"folded,omitempty"`  // candidates of its group that are left out in its favour
	Moved            []string   `json:"moved,omitempty"`   // what acted on this very hit, besides BLIP's sum
	Explain          *Reasons   `json:"explain,omitempty"` // with SearchRequest.Explain
	Item             store.Item `json:"item"`

	Margin float64 `json:"-"` // match logit - no-match logit, what MatchProbability is made of

	picture  string   // key of the stored picture
	inDepth  bool     // within the depth of the second look
	expected *float64 // rerank.Scored.Expected
	lookRank int      // place after the second look
}

// milliseconds is a time that prints as a number with three decimals.
type milliseconds time.Duration

// MarshalJSON gives 1.234 for 1.2344 ms.
func (m milliseconds) MarshalJSON() ([]byte, error) {
	us := math.Round(float64(m) / float64(time.Microsecond))
	return strconv.AppendFloat(nil, us/1000, 'f', -1, 64), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (m *milliseconds) UnmarshalJSON(text []byte) error {
	ms, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return fmt.Errorf("time in milliseconds: %w", err)
	}
	*m = milliseconds(ms * float64(time.Millisecond))
	return nil
}

// judge says whether there is a good match among those that min_match left of
// so many candidates.
func (res *SearchResponse) judge(req SearchRequest, left []Hit, candidates int) {
	switch {
	case req.MinMatch != nil:
		res.NoGoodMatch = candidates > 0 && len(left) == 0
	case res.calibrated && res.Rerank.Scored > 0 && res.Rerank.Stopped == "":
		res.NoGoodMatch = !slices.ContainsFunc(left, Hit.likely)
	}
}

// fill numbers the places and takes the page.
func (res *SearchResponse) fill(req SearchRequest, ranked []Hit) {
	for i := range ranked {
		ranked[i].Rank = i + 1
	}
	from := min(req.Offset, len(ranked))
	res.Hits = ranked[from:min(from+req.Limit, len(ranked))]
}

func (h Hit) likely() bool { return h.MatchProbability != nil && *h.MatchProbability >= 0.5 }

// cut leaves out hits that are known to match worse than min_match, and those
// below the depth of the second look. Hits that it should have read but did
// not, because it stopped early, stay: it fails open, and says so.
func (res *SearchResponse) cut(req SearchRequest, ranked []Hit) []Hit {
	if req.MinMatch == nil {
		return ranked
	}
	kept := make([]Hit, 0, len(ranked))
	for _, h := range ranked {
		p := h.MatchProbability
		if p == nil && h.inDepth && res.Rerank.Stopped != "" || p != nil && *p >= *req.MinMatch {
			kept = append(kept, h)
		}
	}
	return kept
}
