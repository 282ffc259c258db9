package api

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"sightline/encoder"
)

type queryTokens = encoder.Query

// Limits of embeddings. OpenAI's clients send up to 2,048 texts at once, most of
// them 1,000 or fewer.
const (
	maxInputs          = 1000
	embeddingsDeadline = maxDeadline
	textsAtOnce        = 32 // so that searches come between
)

// Forms of an embedding.
const (
	formatFloat  = "float"
	formatBase64 = "base64" // of little-endian float32
)

// embeddingsRequest asks for the vectors of texts and pictures.
type embeddingsRequest struct {
	inputs     []phrase
	format     string // "", formatFloat or formatBase64
	dimensions *int
	deadline   time.Duration
}

// decodeEmbeddings reads OpenAI's form.
func decodeEmbeddings(body []byte) (embeddingsRequest, error) {
	req := embeddingsRequest{deadline: embeddingsDeadline}
	body, err := wholeObject(body, `{"input": ["red shoes"]}`)
	if err != nil {
		return req, err
	}
	var input json.RawMessage
	var wrong Invalid
	if err := readObject(body, "", req.fields(&input), &wrong); err != nil {
		return req, err
	}
	between(&wrong, "deadline_ms", req.deadline.Milliseconds(), minDeadline.Milliseconds(), maxDeadline.Milliseconds())
	req.readInput(input, &wrong)
	return req, wrong.err()
}

func (req *embeddingsRequest) fields(input *json.RawMessage) map[string]reader {
	return map[string]reader{
		"input":           func(raw json.RawMessage, _ string, _ *Invalid) { *input = raw },
		"model":           modelName,
		"encoding_format": oneOf(&req.format, formatFloat, formatBase64),
		"dimensions":      into(&req.dimensions, "a whole number"),
		"deadline_ms":     deadlineInto(&req.deadline),
		"user":            ignored[string]("text in quotes"),
		"normalized": func(raw json.RawMessage, path string, wrong *Invalid) {
			if text := string(raw); text != "true" && text != "null" {
				wrong.add(path, "must be true: embeddings have unit length")
			}
		},
	}
}

// readInput takes one text or a list.
func (req *embeddingsRequest) readInput(raw json.RawMessage, wrong *Invalid) {
	if len(raw) > 0 && raw[0] == '"' {
		req.inputs = []phrase{readInput(raw, "input", wrong)}
		return
	}
	if !isList(raw, "input", maxInputs, wrong) {
		return
	}
	before, fresh := len(wrong.Fields), 0
	for each := range elements(raw) {
		path := indexed("input", len(req.inputs))
		if each[0] == '[' || each[0] != '"' && each[0] != '{' {
			wrong.add(path, "must be a text or a picture: lists of token ids are those of another model's tokenizer (LangChain: check_embedding_ctx_length=False)")
			return
		}
		in := readInput(each, path, wrong)
		req.inputs = append(req.inputs, in)
		fresh += count(in.isPicture() && in.visual.fresh())
		if len(wrong.Fields)-before >= maxListProblems {
			return
		}
	}
	if fresh > maxFresh {
		wrong.add("input", "has %d pictures that have to be encoded; the limit is %d: send several requests", fresh, maxFresh)
	}
}

func readInput(raw json.RawMessage, path string, wrong *Invalid) (p phrase) {
	if isDataURL(raw) {
		wrong.add(path, `is a data: URL, which is no text: send {"image": …}`)
		return p
	}
	before := len(wrong.Fields)
	phraseInto(&p, false)(raw, path, wrong)
	if len(wrong.Fields) == before && !p.isPicture() {
		if problem := textProblem(p.text, maxDocumentBytes); problem != "" {
			wrong.add(path, "%s", problem)
		}
	}
	return p
}

// embeddingsAnswer is OpenAI's.
type embeddingsAnswer struct {
	Object string          `json:"object"`
	Data   []embeddingData `json:"data"`
	Model  string          `json:"model"`
	Usage  usage           `json:"usage"`
}

type embeddingData struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"` // []float32, or base64 of little-endian float32
}

// embeddings serves POST /v1/embeddings.
func (p *pairs) embeddings(w http.ResponseWriter, r *http.Request) {
	res, err := p.embed(w, r)
	if err != nil {
		fail(w, r, err)
		return
	}
	note(r, slog.Int("inputs", len(res.Data)))
	respond(w, r, res)
}

func (p *pairs) embed(w http.ResponseWriter, r *http.Request) (embeddingsAnswer, error) {
	body, err := p.jsonBody(w, r, false)
	if err != nil {
		return embeddingsAnswer{}, err
	}
	req, err := decodeEmbeddings(body)
	if err != nil {
		return embeddingsAnswer{}, err
	}
	var pictures []*visual
	fresh := false
	for i := range req.inputs {
		if in := &req.inputs[i]; in.isPicture() {
			pictures = append(pictures, &in.visual)
			fresh = fresh || in.visual.fresh()
		}
	}
	give, err := p.begin(fresh)
	if err != nil {
		return embeddingsAnswer{}, err
	}
	defer give()
	ctx, cancel := context.WithTimeout(r.Context(), req.deadline)
	defer cancel()
	return p.engine.embeddings(ctx, req, pictures)
}

// embeddings are all or none: there is nothing that could stand for one.
func (e *Engine) embeddings(ctx context.Context, req embeddingsRequest, pictures []*visual) (embeddingsAnswer, error) {
	res := embeddingsAnswer{Object: "list", Model: e.Fingerprint, Data: make([]embeddingData, len(req.inputs))}
	if err := e.checkDimensions(ctx, req.dimensions); err != nil {
		return res, err
	}
	var texts []worded
	for i, in := range req.inputs {
		if in.isPicture() {
			continue
		}
		tokens := e.Texts.Tokenize(in.text)
		res.Usage.PromptTokens += len(tokens.IDs)
		texts = append(texts, worded{text: in.text, tokens: tokens, path: indexed("input", i), at: i})
	}
	ofTexts, err := e.embedTexts(ctx, texts)
	if err != nil {
		return res, err
	}
	ofPictures, err := e.gather(ctx, gathering{pictures: pictures})
	if err != nil {
		return res, err
	}
	for i := range res.Data {
		res.Data[i] = embeddingData{Object: "embedding", Index: i}
		if req.inputs[i].isPicture() {
			res.Data[i].Embedding, ofPictures = req.form(ofPictures[0].embedding), ofPictures[1:]
		} else {
			res.Data[i].Embedding, ofTexts = req.form(ofTexts[0]), ofTexts[1:]
		}
	}
	res.Usage.TotalTokens = res.Usage.PromptTokens
	return res, nil
}

func (req *embeddingsRequest) form(embedding []float32) any {
	if req.format != formatBase64 {
		return embedding
	}
	raw := make([]byte, 0, 4*len(embedding))
	for _, v := range embedding {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// checkDimensions refuses others than the model's, as a cut vector would have
// another meaning.
func (e *Engine) checkDimensions(ctx context.Context, wanted *int) error {
	if wanted == nil {
		return nil
	}
	stats, err := e.Index.Stats(ctx)
	if err != nil {
		return fmt.Errorf("ask the index: %w", err)
	}
	if *wanted == stats.Dim {
		return nil
	}
	var wrong Invalid
	wrong.add("dimensions", "must be %d, which this model's embeddings have: leave it out", stats.Dim)
	return wrong.err()
}

// embedTexts gives the embeddings of texts in their order, some at a time. Texts
// without a word are reported together.
func (e *Engine) embedTexts(ctx context.Context, texts []worded) ([][]float32, error) {
	var wrong Invalid
	for _, t := range texts {
		if len(t.tokens.IDs) <= noWords && len(wrong.Fields) < maxListProblems {
			wrong.add(t.path, "has no words that the model can read")
		}
	}
	if len(wrong.Fields) > 0 {
		return nil, wrong.err()
	}
	all := make([][]float32, 0, len(texts))
	for len(texts) > 0 {
		some := texts[:min(textsAtOnce, len(texts))]
		texts = texts[len(some):]
		tokens := make([]encoder.Query, len(some))
		for i, t := range some {
			tokens[i] = t.tokens
		}
		embeddings, err := e.Texts.Texts(ctx, tokens)
		if err != nil {
			return nil, fmt.Errorf("encode texts: %w", err)
		}
		if len(embeddings) != len(some) {
			return nil, fmt.Errorf("%d embeddings for %d texts", len(embeddings), len(some))
		}
		all = append(all, embeddings...)
	}
	return all, nil
}
