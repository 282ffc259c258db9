package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"sightline/encoder"
)

// maxPairs bounds one request: 64 pictures of BLIP-base take a second on a CPU
// where their patch states are stored.
const maxPairs = 64

// matchRequest asks for the scores of single pairs.
type matchRequest struct {
	pairs    []pair
	deadline time.Duration
}

type pair struct{ phrase } // of which both text and picture are set

func decodeMatch(body []byte) (matchRequest, error) {
	req := matchRequest{deadline: pairsDeadline}
	body, err := wholeObject(body, `{"pairs": [{"text": "red shoes", "id": "SKU"}]}`)
	if err != nil {
		return req, err
	}
	var list json.RawMessage
	var wrong Invalid
	if err := readObject(body, "", req.fields(&list), &wrong); err != nil {
		return req, err
	}
	between(&wrong, "deadline_ms", req.deadline.Milliseconds(), minDeadline.Milliseconds(), maxDeadline.Milliseconds())
	if !isList(list, "pairs", maxPairs, &wrong) {
		return req, wrong.err()
	}
	fresh, before := 0, len(wrong.Fields)
	for raw := range elements(list) {
		p := readPair(raw, indexed("pairs", len(req.pairs)), &wrong)
		req.pairs = append(req.pairs, p)
		fresh += count(p.visual.fresh())
		if len(wrong.Fields)-before >= maxListProblems {
			break
		}
	}
	if fresh > maxFresh && len(wrong.Fields) == before {
		wrong.add("pairs", "has %d pictures that have to be encoded; the limit is %d: name items by id, or send several requests", fresh, maxFresh)
	}
	return req, wrong.err()
}

func (req *matchRequest) fields(pairs *json.RawMessage) map[string]reader {
	return map[string]reader{
		"pairs":       func(raw json.RawMessage, _ string, _ *Invalid) { *pairs = raw },
		"model":       modelName,
		"deadline_ms": deadlineInto(&req.deadline),
	}
}

func readPair(raw json.RawMessage, path string, wrong *Invalid) (p pair) {
	if raw[0] != '{' {
		wrong.add(path, `must be an object such as {"text": "red shoes", "id": "SKU"}`)
		return p
	}
	object(p.fields())(raw, path, wrong)
	if wrong.mentionsBelow(path) {
		return p
	}
	if strings.TrimSpace(p.text) == "" {
		wrong.add(path+".text", "is empty: give the words to compare with the picture")
	} else if problem := textProblem(p.text, maxDocumentBytes); problem != "" {
		wrong.add(path+".text", "%s", problem)
	}
	text := p.text
	p.text = ""
	p.checkFields(path, wrong)
	p.text = text
	return p
}

// matchAnswer has the pairs in the order of the request.
type matchAnswer struct {
	Pairs     []matchPair  `json:"pairs"`
	Rerank    Part         `json:"rerank"`
	Model     string       `json:"model"`
	RequestID string       `json:"request_id,omitempty"`
	Timings   pairsTimings `json:"timings_ms"`

	err error
}

// matchPair is one pair. What the second look did not come to is null.
type matchPair struct {
	Index            int             `json:"index"`
	ITC              float64         `json:"itc"`
	ITMLogits        *encoder.Logits `json:"itm_logits"` // no match, match
	ITMLogit         *float32        `json:"itm_logit"`  // the second of them
	MatchProbability *float64        `json:"match_probability"`
	Score            *float64        `json:"score"` // ITMLogit + ITC
	View             int             `json:"view,omitempty"`
}

// match serves POST /v1/match.
func (p *pairs) match(w http.ResponseWriter, r *http.Request) {
	body, err := p.jsonBody(w, r, false)
	if err != nil {
		fail(w, r, err)
		return
	}
	req, err := decodeMatch(body)
	if err != nil {
		fail(w, r, err)
		return
	}
	fresh := false
	for _, pair := range req.pairs {
		fresh = fresh || pair.visual.fresh()
	}
	give, err := p.begin(fresh)
	if err != nil {
		fail(w, r, err)
		return
	}
	defer give()
	res, err := p.engine.match(r.Context(), req)
	if err != nil {
		fail(w, r, err)
		return
	}
	noteLook(r, res.Rerank, res.err)
	res.RequestID = requestID(r)
	respond(w, r, res)
}

// match reads the pairs text by text. It has one absolute deadline.
func (e *Engine) match(ctx context.Context, req matchRequest) (matchAnswer, error) {
	start := time.Now()
	defer e.ahead()()
	ctx, cancel := context.WithDeadline(ctx, start.Add(req.deadline))
	defer cancel()
	res := matchAnswer{Model: e.Fingerprint, Pairs: make([]matchPair, len(req.pairs))}
	texts, err := e.distinctTexts(ctx, req)
	if err != nil {
		return res, err
	}
	visuals := make([]*visual, len(req.pairs))
	for i := range req.pairs {
		visuals[i] = &req.pairs[i].visual
	}
	pictures, err := e.gather(ctx, gathering{pictures: visuals})
	if err != nil {
		return res, err
	}
	res.Timings.Encode = since(start)
	lap := time.Now()
	look, end := context.WithTimeout(ctx, timeLeft(ctx)-reserve(req.deadline))
	defer end()
	for _, t := range texts {
		some := make([]looked, len(t.pairs))
		for i, at := range t.pairs {
			some[i] = pictures[at]
		}
		res.take(e.readPictures(look, t.query, some), t.pairs)
	}
	if err := cancelled(ctx); err != nil {
		return res, err
	}
	res.Timings.Rerank, res.Timings.Total = since(lap), since(start)
	return res, nil
}

// asked is a text and the pairs that have it.
type asked struct {
	query query
	pairs []int
}

// distinctTexts encodes each text once, and reports all that have no words.
func (e *Engine) distinctTexts(ctx context.Context, req matchRequest) ([]asked, error) {
	var all []asked
	var texts []worded
	known := map[string]int{}
	for i, p := range req.pairs {
		at, ok := known[p.text]
		if !ok {
			at = len(all)
			known[p.text] = at
			tokens := e.Texts.Tokenize(p.text)
			all = append(all, asked{query: query{tokens: tokens}})
			texts = append(texts, worded{text: p.text, tokens: tokens, path: indexed("pairs", i) + ".text"})
		}
		all[at].pairs = append(all[at].pairs, i)
	}
	embeddings, err := e.embedTexts(ctx, texts)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].query.embedding = embeddings[i]
	}
	return all, nil
}

// take puts in what was read of one text. at are the pairs' places.
func (res *matchAnswer) take(s standing, at []int) {
	for _, r := range s.readings {
		p := matchPair{Index: at[r.index], ITC: r.itc, ITMLogits: r.logits, ITMLogit: r.logit, MatchProbability: r.probability, View: r.view}
		if r.logit != nil {
			p.Score = &r.score
		}
		res.Pairs[p.Index] = p
	}
	res.Rerank.Scored += s.part.Scored
	res.Rerank.Of += s.part.Of
	if res.Rerank.Stopped == "" {
		res.Rerank.Stopped = s.part.Stopped
	}
	res.err = errors.Join(res.err, s.err)
}
