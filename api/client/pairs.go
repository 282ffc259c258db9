package client

import (
	"context"
	"encoding/json"
)

// Input is a text or a picture, of which one field is set. The texts of
// documents are for queries that are pictures, and the other way round.
type Input struct {
	Text  string // words
	ID    string // of an item of the catalogue
	URL   string // of a picture
	Bytes []byte // of a JPEG, PNG or WebP
}

// MarshalJSON gives the form of the REST API.
func (in Input) MarshalJSON() ([]byte, error) {
	var form struct {
		Text  string `json:"text,omitempty"`
		ID    string `json:"id,omitempty"`
		Image any    `json:"image,omitempty"`
	}
	form.Text, form.ID = in.Text, in.ID
	switch {
	case in.URL != "":
		form.Image = map[string]string{"url": in.URL}
	case in.Bytes != nil:
		form.Image = map[string][]byte{"base64": in.Bytes}
	}
	return json.Marshal(form)
}

// RerankQuery asks for documents in the order of their match with a query.
type RerankQuery struct {
	Query      Input   `json:"query"`
	Documents  []Input `json:"documents"`       // 1 to 1000; at most 32 pictures that are not in the catalogue
	TopN       int     `json:"top_n,omitempty"` // results in the answer; 0 for all
	DeadlineMS int     `json:"deadline_ms,omitempty"`
}

// Reranked is the answer; Results stand in the order of Score.
type Reranked struct {
	Results []RerankResult `json:"results"`
	Rerank  Look           `json:"rerank"`
	Model   string         `json:"model"`
}

// RerankResult is one document. ITMLogit is nil, and Relevance 0, where it was
// not read.
type RerankResult struct {
	Index     int      `json:"index"`           // in the request's documents, from 0
	Relevance float64  `json:"relevance_score"` // match probability, 0 to 1
	Score     float64  `json:"score"`           // ITMLogit + ITC
	ITC       float64  `json:"itc"`
	ITMLogit  *float64 `json:"itm_logit"`
	View      int      `json:"view"` // which picture of an item was nearest
}

// Rerank orders documents by a query: pictures by a text, or texts and items'
// titles by a picture.
func (c *Client) Rerank(ctx context.Context, q RerankQuery) (Reranked, error) {
	var r Reranked
	err := c.postJSON(ctx, "/v1/rerank", struct {
		RerankQuery
		Echo bool `json:"return_documents"` // the caller has them
	}{q, false}, &r)
	return r, err
}

// Pair is a text and the picture that it is read with, of which one of ID, URL
// and Bytes is set.
type Pair = Input

// Matched is the answer to Match, in the order of the request.
type Matched struct {
	Pairs  []PairScore `json:"pairs"`
	Rerank Look        `json:"rerank"`
	Model  string      `json:"model"`
}

// PairScore is one pair. What was not read is nil.
type PairScore struct {
	Index            int         `json:"index"`
	ITC              float64     `json:"itc"`
	ITMLogits        *[2]float64 `json:"itm_logits"` // no match, match
	ITMLogit         *float64    `json:"itm_logit"`  // the second of them
	MatchProbability *float64    `json:"match_probability"`
	Score            *float64    `json:"score"` // ITMLogit + ITC
	View             int         `json:"view"`
}

// Match scores up to 64 single pairs.
func (c *Client) Match(ctx context.Context, pairs []Pair) (Matched, error) {
	var r Matched
	err := c.postJSON(ctx, "/v1/match", map[string]any{"pairs": pairs}, &r)
	return r, err
}

// Embedded is the answer to Embeddings.
type Embedded struct {
	Data  []Embedding `json:"data"` // in the order of the request
	Model string      `json:"model"`
	Usage struct {
		PromptTokens int `json:"prompt_tokens"`
	} `json:"usage"`
}

// Embedding is a vector of unit length. Products of two are cosines, whether of
// texts or of pictures.
type Embedding struct {
	Index  int       `json:"index"`
	Vector []float32 `json:"embedding"`
}

// Embeddings turns 1 to 1000 texts and pictures into vectors; of the pictures at
// most 32 may be others than items of the catalogue.
func (c *Client) Embeddings(ctx context.Context, inputs []Input) (Embedded, error) {
	var r Embedded
	err := c.postJSON(ctx, "/v1/embeddings", map[string]any{"input": inputs}, &r)
	return r, err
}
