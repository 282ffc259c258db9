package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"sightline/encoder"
	"sightline/encoder/heatmap"
	"sightline/encoder/picture"
	"sightline/store"
	"sightline/store/features"
	"sightline/store/pictures"
)

// Explainer says where the words of a query look in a picture, and what a match
// is worth; encoder.Model is one.
type Explainer interface {
	Explain(ctx context.Context, q encoder.Query, states encoder.States, o encoder.ExplainOptions) (encoder.Explanation, error)
	Probability(l encoder.Logits) float64
}

// StateSource gives the stored patch states of a picture; features.Store is one.
type StateSource interface {
	Get(ctx context.Context, picture string) (features.Record, bool, error)
}

// explanations is the route that says why a picture matches. It works
// beside the searches: one explanation costs what reading one candidate does,
// and drawing the map some 50 ms.
type explanations struct {
	engine   *Engine
	pictures Pictures
	running  besides
}

// explainAnswer is the score of one pair by its parts, and the words' maps.
type explainAnswer struct {
	ID               string  `json:"id"`
	View             int     `json:"view"`
	ITC              float64 `json:"itc"`       // cosine of query and this picture
	ITMLogit         float32 `json:"itm_logit"` // of the second look
	MatchProbability float64 `json:"match_probability"`
	Score            float64 `json:"score"` // ITMLogit + ITC

	Words  []wordAnswer `json:"words"`
	Rows   int          `json:"rows"`
	Cols   int          `json:"cols"`
	Layers []int        `json:"layers"`

	Model     string `json:"model"`
	RequestID string `json:"request_id,omitempty"`

	picture string // key of the stored picture
}

// wordAnswer is one word's map. Grid [rows][cols] sums to 1; Share of the word's
// attention went to it, the rest to the class token.
type wordAnswer struct {
	Word   string      `json:"word"`
	Index  int         `json:"index"` // place among the words of the text
	Tokens []string    `json:"tokens"`
	Share  float64     `json:"share"`
	Grid   [][]float32 `json:"grid"`
}

// post serves POST /v1/explain.
func (x *explanations) post(w http.ResponseWriter, r *http.Request) {
	req, err := readExplain(w, r)
	if err != nil {
		fail(w, r, err)
		return
	}
	give, err := x.running.take()
	if err != nil {
		fail(w, r, err)
		return
	}
	defer give()
	ctx, cancel := context.WithTimeout(r.Context(), req.deadline)
	defer cancel()
	res, err := x.explain(ctx, r, req)
	var overlay []byte
	if err == nil && req.format == formatPNG {
		overlay, err = x.overlay(ctx, res)
	}
	switch {
	case err != nil:
		fail(w, r, err)
	case req.format == formatPNG:
		writePNG(w, overlay)
	default:
		respond(w, r, res)
	}
}

// writePNG sends a picture. A failing Write means that the caller left.
func writePNG(w http.ResponseWriter, data []byte) {
	h := w.Header()
	h.Set("Content-Type", "image/png")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("Cache-Control", "no-store")
	_, _ = bytes.NewReader(data).WriteTo(w)
}

// explain finds the picture, reads it with the query, and takes the score apart.
func (x *explanations) explain(ctx context.Context, r *http.Request, req explainRequest) (explainAnswer, error) {
	e := x.engine
	if e.Explainer == nil {
		return explainAnswer{}, refuse(kindUnsupported, "This server gives no explanations.")
	}
	tokens := e.Texts.Tokenize(req.text)
	if len(tokens.IDs) <= 2 {
		return explainAnswer{}, invalid("text", "has no words that the model can read")
	}
	view, err := x.view(ctx, req)
	if err != nil {
		return explainAnswer{}, err
	}
	states, err := x.states(ctx, r, view.Picture)
	if err != nil {
		return explainAnswer{}, err
	}
	q, err := e.words(ctx, req.text, tokens)
	if err != nil {
		return explainAnswer{}, fmt.Errorf("encode query: %w", err)
	}
	found, err := e.Explainer.Explain(ctx, tokens, states, encoder.ExplainOptions{Layers: req.layers})
	if err != nil {
		return explainAnswer{}, explainError(err)
	}
	words, err := req.chosen(found.Words, e.Texts.Tokenize)
	if err != nil {
		return explainAnswer{}, err
	}
	res := e.breakdown(found, cosine(q.embedding, view.Embedding))
	res.ID, res.View, res.RequestID, res.picture = req.id, req.view, requestID(r), view.Picture
	for _, i := range words {
		w := found.Words[i]
		res.Words = append(res.Words, wordAnswer{Word: w.Text, Index: i, Tokens: w.Tokens, Share: w.Share, Grid: rounded(w.Grid)})
	}
	return res, nil
}

// breakdown is the score by its parts.
func (e *Engine) breakdown(found encoder.Explanation, itc float64) explainAnswer {
	logit := found.Logits.Match()
	return explainAnswer{
		ITC: itc, ITMLogit: logit, Score: float64(logit) + itc, MatchProbability: e.Explainer.Probability(found.Logits),
		Rows: found.Rows, Cols: found.Cols, Layers: found.Layers, Model: e.Fingerprint,
	}
}

// view is the picture of the item that the request names.
func (x *explanations) view(ctx context.Context, req explainRequest) (store.View, error) {
	entries, err := x.engine.Index.Get(ctx, []string{req.id})
	if err != nil {
		return store.View{}, fmt.Errorf("get item: %w", err)
	}
	if len(entries) == 0 {
		return store.View{}, invalid("id", "names no indexed item")
	}
	view, ok := viewOf(entries[0], req.view)
	if !ok {
		var wrong Invalid
		wrong.add("view", "must be between 0 and %d: the item has no more pictures", len(entries[0].Views))
		return store.View{}, wrong.err()
	}
	if view.Picture == "" {
		return store.View{}, noPicture(pictures.ErrNotFound)
	}
	return view, nil
}

func noPicture(err error) error {
	return &refusal{kind: kindNotFound, detail: "There is no stored picture of this item.", err: err}
}

// states are the stored patch states, else those that the vision tower makes of
// the stored picture. A damaged record is only a missing one here.
func (x *explanations) states(ctx context.Context, r *http.Request, key string) (encoder.States, error) {
	if x.engine.States != nil {
		record, ok, err := x.engine.States.Get(ctx, key)
		if err == nil && ok {
			return encoder.States(record), nil
		}
		if ctx.Err() != nil {
			return encoder.States{}, fmt.Errorf("get patch states: %w", ctx.Err())
		}
		if err != nil {
			note(r, slog.String("error", err.Error()))
		}
	}
	data, err := x.stored(ctx, key)
	if err != nil {
		return encoder.States{}, err
	}
	pixels, err := x.engine.Images.Pixels(data)
	if err != nil {
		return encoder.States{}, damaged(err)
	}
	if err := ctx.Err(); err != nil { // decoding cannot be interrupted
		return encoder.States{}, fmt.Errorf("encode picture: %w", err)
	}
	made, err := x.engine.Images.Images(ctx, []encoder.Pixels{pixels})
	if err != nil {
		return encoder.States{}, fmt.Errorf("encode picture: %w", err)
	}
	if len(made) != 1 {
		return encoder.States{}, fmt.Errorf("%d features of one picture", len(made))
	}
	return made[0].States, nil
}

func (x *explanations) stored(ctx context.Context, key string) ([]byte, error) {
	data, err := x.pictures.Get(ctx, key)
	if errors.Is(err, pictures.ErrNotFound) {
		return nil, noPicture(err)
	}
	if err != nil {
		return nil, fmt.Errorf("get picture: %w", err)
	}
	return data, nil
}

// damaged keeps the blame for a stored picture off the request.
func damaged(err error) error {
	return &refusal{kind: kindInternal, detail: "The stored picture of this item cannot be read: send the item's picture again.", err: err}
}

// explainError turns what the model says of a request into words for its sender.
func explainError(err error) error {
	var layer *encoder.LayerError
	switch {
	case errors.As(err, &layer):
		return invalid("layers", fmt.Sprintf("must be between 0 and %d", layer.Layers-1))
	case errors.Is(err, encoder.ErrNoExplain):
		return &refusal{kind: kindUnsupported, detail: "The model in use was converted before explanations were added: convert it again (the index stays valid).", err: err}
	}
	return err
}

// overlay draws the mean of the words' maps over the picture.
func (x *explanations) overlay(ctx context.Context, res explainAnswer) ([]byte, error) {
	data, err := x.stored(ctx, res.picture)
	if err != nil {
		return nil, err
	}
	img, err := picture.Decode(data, picture.DefaultLimits())
	if err != nil {
		return nil, damaged(err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("draw heat map: %w", err)
	}
	return heatmap.PNG(img, merged(res), heatmap.Options{})
}

// merged adds the words' grids; the overlay scales them itself.
func merged(res explainAnswer) [][]float32 {
	sum := make([][]float32, res.Rows)
	for r := range sum {
		sum[r] = make([]float32, res.Cols)
		for _, w := range res.Words {
			for c, v := range w.Grid[r] {
				sum[r][c] += v
			}
		}
	}
	return sum
}

func cosine(a, b []float32) float64 {
	var sum float64
	for i := range min(len(a), len(b)) {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// rounded keeps six decimals: a hundredth of the mean weight of 10,000 patches,
// and half the bytes.
func rounded(grid [][]float32) [][]float32 {
	out := make([][]float32, len(grid))
	for r, row := range grid {
		out[r] = make([]float32, len(row))
		for c, v := range row {
			out[r][c] = float32(math.Round(float64(v)*1e6) / 1e6)
		}
	}
	return out
}
