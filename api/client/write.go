package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// WritingOptions say how a model chooses its words; what is nil or 0 is the
// model's own. Samples, TopK, TopP, Temperature and Seed draw, and do not go with
// Beams.
type WritingOptions struct {
	Beams       int     `json:"beams,omitempty"`
	MinLength   *int    `json:"min_length,omitempty"`
	MaxLength   int     `json:"max_length,omitempty"` // token ids, with the prompt
	Samples     int     `json:"samples,omitempty"`
	TopK        int     `json:"top_k,omitempty"`
	TopP        float64 `json:"top_p,omitempty"`
	Temperature float64 `json:"temperature,omitempty"`
	Seed        *uint64 `json:"seed,omitempty"`
	IDs         bool    `json:"ids,omitempty"` // whether token ids come back
	DeadlineMS  int     `json:"deadline_ms,omitempty"`
}

// CaptionRequest asks for a caption of each of up to 8 pictures.
type CaptionRequest struct {
	WritingOptions

	Images  []Image `json:"images"`
	Prompt  *string `json:"prompt,omitempty"` // what captions go on from; nil for the model's
	NoMatch bool    `json:"-"`                // captions are not read again with their pictures
}

// WrittenText is a text about a picture.
type WrittenText struct {
	Text           string   `json:"text"` // without the prompt
	LogProbability float64  `json:"log_probability"`
	IDs            []int64  `json:"ids,omitempty"`
	ITMLogit       *float64 `json:"itm_logit,omitempty"` // of captions, where the model that searches read them
	Probability    *float64 `json:"match_probability,omitempty"`
}

// Caption is that of one picture; Others are further ones that were drawn.
type Caption struct {
	Index int `json:"index"`
	WrittenText

	Others []WrittenText `json:"others,omitempty"`
}

// Captions are those of a request, in the order of its pictures.
type Captions struct {
	Captions  []Caption `json:"captions"`
	Prompt    string    `json:"prompt"`
	Model     string    `json:"model"` // fingerprint of the model that wrote
	Seed      *uint64   `json:"seed,omitempty"`
	Cached    bool      `json:"cached"`
	RequestID string    `json:"request_id"`
}

// Caption has pictures described, by a server with a captioner.
func (c *Client) Caption(ctx context.Context, q CaptionRequest) (Captions, error) {
	var match *bool // the server's default is true
	if q.NoMatch {
		match = new(bool)
	}
	var r Captions
	err := c.send(ctx, "/v1/captions", struct {
		CaptionRequest
		Match *bool `json:"match,omitempty"`
	}{q, match}, &r)
	return r, err
}

// AnswerRequest asks a question about a picture.
type AnswerRequest struct {
	WritingOptions

	Image    Image    `json:"image"`
	Question string   `json:"question"`
	Answers  []string `json:"answers,omitempty"` // to choose from; none for the model's own words
	Rank     int      `json:"rank,omitempty"`    // how many of them are read to their end
}

// RankedAnswer is one of the answers to choose from.
type RankedAnswer struct {
	Index int     `json:"index"`
	Text  string  `json:"text"`
	Score float64 `json:"score"` // the nearest to 0 is the best
}

// Answer is the answer to a question.
type Answer struct {
	WrittenText

	Others    []WrittenText  `json:"others,omitempty"`
	Ranked    []RankedAnswer `json:"ranked,omitempty"` // of a list, best first
	Model     string         `json:"model"`
	Seed      *uint64        `json:"seed,omitempty"`
	Cached    bool           `json:"cached"`
	RequestID string         `json:"request_id"`
}

// Answer has a question answered, by a server with an answerer.
func (c *Client) Answer(ctx context.Context, q AnswerRequest) (Answer, error) {
	var r Answer
	err := c.send(ctx, "/v1/answers", q, &r)
	return r, err
}

// send posts JSON.
func (c *Client) send(ctx context.Context, path string, body, v any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	_, err = c.do(ctx, request{method: http.MethodPost, path: path, body: data, media: "application/json"}, v)
	return err
}
