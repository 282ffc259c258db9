package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Query is a search. Zero fields are left to the server's defaults.
type Query struct {
	Text           string   `json:"text,omitempty"`
	Image          *Image   `json:"image,omitempty"`
	Negative       string   `json:"negative,omitempty"` // what hits should not be like
	NegativeWeight *float64 `json:"negative_weight,omitempty"`
	Limit          int      `json:"limit,omitempty"`
	Offset         int      `json:"offset,omitempty"`
	// Filter is the text form as a string, or anything that encodes to the JSON form.
	Filter    any      `json:"filter,omitempty"`
	MinMatch  *float64 `json:"min_match,omitempty"`
	GroupBy   string   `json:"group_by,omitempty"`
	Diversity float64  `json:"diversity,omitempty"`
	Boosts    []Boost  `json:"boosts,omitempty"`
	Buries    []Bury   `json:"buries,omitempty"`
	Pins      []Pin    `json:"pins,omitempty"`
	Facets    []Facet  `json:"facets,omitempty"`
	Rerank    *Rerank  `json:"rerank,omitempty"`
	Explain   bool     `json:"explain,omitempty"` // sets Hit.Explain
	// IncludeHidden finds items that labels hide too; it needs a key that may write.
	IncludeHidden bool `json:"include_hidden,omitempty"`
	DeadlineMS    int  `json:"deadline_ms,omitempty"`
}

// Image is a picture to search by: of an item, or the bytes of one.
type Image struct {
	ID     string    `json:"id,omitempty"`
	URL    string    `json:"url,omitempty"` // http or https, which the server fetches
	Bytes  []byte    `json:"base64,omitempty"`
	Box    []float64 `json:"box,omitempty"`    // left, top, right, bottom in fractions; not beside ID
	Weight *float64  `json:"weight,omitempty"` // beside a text
}

// Rerank sets the second look.
type Rerank struct {
	Enabled *bool `json:"enabled,omitempty"`
	Depth   int   `json:"depth,omitempty"`
	Titles  bool  `json:"titles,omitempty"`
}

// Boost adds to the score of hits that match.
type Boost struct {
	Name   string  `json:"name,omitempty"`
	Filter any     `json:"filter"`
	By     float64 `json:"by"`
}

// Bury puts hits that match below all others.
type Bury struct {
	Name   string `json:"name,omitempty"`
	Filter any    `json:"filter"`
}

// Pin puts an item at a place, counted from 1.
type Pin struct {
	ID    string `json:"id"`
	Place int    `json:"place"`
}

// Facet asks for the values of a field.
type Facet struct {
	Field  string  `json:"field"`
	Limit  int     `json:"limit,omitempty"`
	Ranges []Range `json:"ranges,omitempty"`
	Of     string  `json:"of,omitempty"` // "hits" for the candidates of the search instead of all items
	Multi  bool    `json:"multi,omitempty"`
}

// Range is the numbers that are From or more and below To; nil for no bound.
type Range struct {
	From *float64 `json:"from,omitempty"`
	To   *float64 `json:"to,omitempty"`
}

// Result is the answer to a search.
type Result struct {
	Hits        []Hit                  `json:"hits"`
	NoGoodMatch bool                   `json:"no_good_match"`
	Rerank      Look                   `json:"rerank"`
	Facets      map[string]FacetCounts `json:"facets"`
	Timings     map[string]float64     `json:"timings_ms"`
	Cached      bool                   `json:"cached"`
	Model       string                 `json:"model"`
	RequestID   string                 `json:"request_id"`
}

// Look says how far the second look came. Stopped is "" when all were read.
type Look struct {
	Scored  int    `json:"scored"`
	Of      int    `json:"of"`
	Stopped string `json:"stopped"`
	Read    string `json:"read"`
}

// Hit is one item found. ITMLogit and MatchProbability are nil where the second
// look did not reach.
type Hit struct {
	ID               string   `json:"id"`
	Score            float64  `json:"score"`
	ITC              float64  `json:"itc"`
	ITMLogit         *float64 `json:"itm_logit"`
	MatchProbability *float64 `json:"match_probability"`
	Rank             int      `json:"rank"`
	ITCRank          int      `json:"itc_rank"`
	View             int      `json:"view"`
	Folded           int      `json:"folded"`
	Moved            []string `json:"moved"`
	Explain          *Reasons `json:"explain"`
	Item             Item     `json:"item"`
}

// Reasons say how a hit's score and place came about, with Query.Explain.
type Reasons struct {
	Terms         []Term   `json:"terms"`     // what the score is the sum of
	LookRank      int      `json:"look_rank"` // place after the second look, before weights, rules, groups and diversity
	Margin        *float64 `json:"margin"`    // match logit less no-match logit; nil where it was not read
	Calibrated    bool     `json:"calibrated"`
	ExpectedLogit *float64 `json:"expected_logit"` // what one that was not read was placed by
}

// Term adds Value × Weight to a score.
type Term struct {
	Kind   string  `json:"kind"`
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Weight float64 `json:"weight"`
	Adds   float64 `json:"adds"`
}

// FacetCounts is what items have in one field.
type FacetCounts struct {
	Values []struct {
		Value any `json:"value"` // string or bool
		Count int `json:"count"`
	} `json:"values"`
	Numbers *struct {
		Count  int      `json:"count"`
		Min    *float64 `json:"min"`
		Max    *float64 `json:"max"`
		Ranges []struct {
			Range
			Count int `json:"count"`
		} `json:"ranges"`
	} `json:"numbers"`
	Missing int    `json:"missing"`
	Exact   bool   `json:"exact"`
	Failed  string `json:"failed"`
}

// Search searches by what the query says.
func (c *Client) Search(ctx context.Context, q Query) (Result, error) {
	var r Result
	err := c.postJSON(ctx, "/v1/search", q, &r)
	return r, err
}

// SearchImage searches by the bytes of a JPEG, PNG or WebP of at most 10 MiB,
// and by the query's text where it has one.
func (c *Client) SearchImage(ctx context.Context, picture []byte, q Query) (Result, error) {
	image := Image{}
	if q.Image != nil {
		image = *q.Image
	}
	image.Bytes = picture
	q.Image = &image
	return c.Search(ctx, q)
}

// Similar finds items that look like one of the catalogue.
func (c *Client) Similar(ctx context.Context, id string, limit int) (Result, error) {
	var r Result
	_, err := c.do(ctx, request{method: http.MethodGet, path: itemPath(id) + "/similar?limit=" + strconv.Itoa(limit)}, &r)
	return r, err
}

// Item is one product or picture as the shop describes it.
type Item struct {
	ID           string         `json:"id"`
	Title        string         `json:"title,omitempty"`
	Description  string         `json:"description,omitempty"`
	URL          string         `json:"url,omitempty"`
	Image        string         `json:"image,omitempty"`  // address, or in a write a data: URL
	Images       []string       `json:"images,omitempty"` // further ones
	Price        *float64       `json:"price,omitempty"`
	Currency     string         `json:"currency,omitempty"`
	Availability string         `json:"availability,omitempty"`
	Brand        string         `json:"brand,omitempty"`
	Category     string         `json:"category,omitempty"`
	Color        string         `json:"color,omitempty"`
	GroupID      string         `json:"group_id,omitempty"`
	Attributes   map[string]any `json:"attributes,omitempty"` // string, float64, bool or list of strings
	Version      int64          `json:"version,omitempty"`
	UpdatedAt    time.Time      `json:"updated_at,omitzero"`
}

func itemPath(id string) string { return "/v1/items/" + url.PathEscape(id) }
