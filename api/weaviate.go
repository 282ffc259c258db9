package api

import (
	"net/http"
	"strings"
)

// weaviate serves POST /rerank as Weaviate's module reranker-transformers calls it,
// without a Content-Type, and looks for scores in the order of the documents.
func (p *pairs) weaviate(w http.ResponseWriter, r *http.Request) {
	res, err := p.ranked(w, r, rerankForm{weaviate: true})
	if err != nil {
		fail(w, r, withError(err))
		return
	}
	out := weaviateAnswer{Query: res.request.query.text, Scores: make([]weaviateScore, len(res.Results))}
	for _, result := range res.Results {
		s := weaviateScore{Document: res.request.documents[result.Index].name, Score: result.Score}
		if result.ITMLogit == nil {
			s.Score = weaviateUnread + result.ITC
		}
		out.Scores[result.Index] = s
	}
	respond(w, r, out)
}

// weaviateUnread is below every score of a pair that was read. Weaviate sends 32
// documents at a time and sorts them together, by score alone.
const weaviateUnread = -100

type weaviateAnswer struct {
	Query  string          `json:"query"`
	Scores []weaviateScore `json:"scores"`
}

type weaviateScore struct {
	Document string  `json:"document"`
	Score    float64 `json:"score"`
}

// withError says what is wrong once more, where Weaviate reads it.
func withError(err error) error {
	k, detail, fields := explain(err)
	text := detail
	for _, f := range fields {
		text = strings.TrimSpace(text + " " + f.Field + " " + f.Detail + ".")
	}
	return &refusal{kind: k, detail: detail, fields: fields, err: err, about: about{Error: text}}
}

type metaAnswer struct {
	Model  string `json:"model"`
	Server string `json:"server"`
}

// weaviateMeta serves GET /meta, which Weaviate shows among its modules.
func (p *pairs) weaviateMeta(w http.ResponseWriter, r *http.Request) {
	respond(w, r, metaAnswer{Model: p.engine.Fingerprint, Server: "sightline"})
}
