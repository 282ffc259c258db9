package api

import (
	"log/slog"
	"mime"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"
)

// pairs are the routes that score texts with pictures, and embed both. They work
// beside the searches, and in those of their own where a request brings
// pictures: its patch states are held until it is answered, 32 times 1.8 MB of
// BLIP-base.
type pairs struct {
	engine  *Engine
	running besides
	uploads slots
	fresh   slots
}

func (p *pairs) routes(r chi.Router) {
	r.Post("/v1/rerank", p.v1)
	r.Post("/v2/rerank", p.v2)
	r.Post("/rerank", p.weaviate)
	r.Get("/meta", p.weaviateMeta)
	r.Post("/v1/match", p.match)
	r.Post("/v1/embeddings", p.embeddings)
}

// jsonBody reads a body of JSON. bare takes one without a Content-Type too.
func (p *pairs) jsonBody(w http.ResponseWriter, r *http.Request, bare bool) ([]byte, error) {
	kind := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(kind)
	if (err != nil || media != "application/json") && (!bare || kind != "") {
		return nil, refuse(kindMediaType, "Send JSON with Content-Type: application/json.")
	}
	give, err := p.uploads.room(r)
	if err != nil {
		return nil, err
	}
	defer give()
	body, err := readBody(w, r, maxJSONBody)
	if err != nil {
		return nil, bodyError(err)
	}
	return body, nil
}

// begin takes the slots that a request needs. fresh says that it brings pictures.
func (p *pairs) begin(fresh bool) (give func(), err error) {
	end, err := p.running.take()
	if err != nil {
		return nil, err
	}
	if !fresh {
		return end, nil
	}
	other, ok := p.fresh.take()
	if !ok {
		end()
		return nil, refuseFor(kindBusy, "pictures", "Too many requests with pictures are under way ("+strconv.Itoa(cap(p.fresh))+"): try again in a moment.")
	}
	return func() { other(); end() }, nil
}

// rerankAnswer satisfies clients of Jina (model, results, usage) and of Cohere
// (id, results, meta). The fields below are ours.
type rerankAnswer struct {
	ID      string         `json:"id"`
	Object  string         `json:"object"`
	Model   string         `json:"model"`
	Results []rerankResult `json:"results"`
	Usage   usage          `json:"usage"`
	Meta    meta           `json:"meta"`

	Rerank  Look         `json:"rerank"` // how far the second look came
	Timings pairsTimings `json:"timings_ms"`
}

// rerankResult is one document. RelevanceScore is the match probability, and 0
// where the pair was not read; results stand in the order of Score.
type rerankResult struct {
	Index          int           `json:"index"`
	RelevanceScore float64       `json:"relevance_score"`
	Document       *echoDocument `json:"document,omitempty"`
	Score          float64       `json:"score"` // ITMLogit + ITC
	ITC            float64       `json:"itc"`
	ITMLogit       *float32      `json:"itm_logit"`
	View           int           `json:"view,omitempty"`
}

// echoDocument repeats a document. Bytes of pictures are not sent back.
type echoDocument struct {
	Text string `json:"text"`
	ID   string `json:"id,omitempty"`
}

type usage struct {
	PromptTokens int `json:"prompt_tokens"` // of the request's texts, as the model read them
	TotalTokens  int `json:"total_tokens"`
}

// meta is Cohere's.
type meta struct {
	APIVersion struct {
		Version string `json:"version"`
	} `json:"api_version"`
	Tokens struct {
		Input int `json:"input_tokens"`
	} `json:"tokens"`
}

type pairsTimings struct {
	Encode milliseconds `json:"encode"`
	Rerank milliseconds `json:"rerank"`
	Total  milliseconds `json:"total"`
}

// v1 serves POST /v1/rerank: Jina's, and Cohere's first, whose documents come back
// unless the request says not to. v2 is Cohere's second.
func (p *pairs) v1(w http.ResponseWriter, r *http.Request) { p.rerank(w, r, "1") }

func (p *pairs) v2(w http.ResponseWriter, r *http.Request) { p.rerank(w, r, "2") }

func (p *pairs) rerank(w http.ResponseWriter, r *http.Request, version string) {
	res, err := p.ranked(w, r, rerankForm{echo: version == "1"})
	if err != nil {
		fail(w, r, err)
		return
	}
	res.Meta.APIVersion.Version = version
	respond(w, r, res.rerankAnswer)
}

// rankedAnswer is an answer beside its request.
type rankedAnswer struct {
	rerankAnswer

	request rerankRequest
}

// ranked reads and answers one request.
func (p *pairs) ranked(w http.ResponseWriter, r *http.Request, form rerankForm) (rankedAnswer, error) {
	body, err := p.jsonBody(w, r, form.weaviate)
	if err != nil {
		return rankedAnswer{}, err
	}
	req, err := decodeRerank(body, form)
	if err != nil {
		return rankedAnswer{}, err
	}
	give, err := p.begin(req.fresh())
	if err != nil {
		return rankedAnswer{}, err
	}
	defer give()
	res, err := p.engine.rerank(r.Context(), req)
	if err != nil {
		return rankedAnswer{}, err
	}
	noteLook(r, res.Rerank.Part, res.err)
	note(r, slog.Int("documents", len(req.documents)))
	res.ID = requestID(r)
	return rankedAnswer{res.rerankAnswer, req}, nil
}

func noteLook(r *http.Request, part Part, err error) {
	if part.Stopped != "" {
		note(r, slog.String("rerank_stopped", part.Stopped))
	}
	if err != nil {
		note(r, slog.String("error", err.Error()))
	}
}

func (req *rerankRequest) fresh() bool {
	for i := range req.documents {
		if d := &req.documents[i]; d.isPicture() && d.visual.fresh() {
			return true
		}
	}
	return req.query.isPicture() && req.query.visual.fresh()
}
