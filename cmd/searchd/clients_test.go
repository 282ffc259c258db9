package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/clitest"
	"sightline/encoder/encodertest"
)

type clientAnswers struct {
	Versions         map[string]string
	CohereV2         []result    `json:"cohere_v2"`
	CohereMeta       []any       `json:"cohere_meta"`
	CohereV2Picture  []result    `json:"cohere_v2_picture"`
	CohereV1         []result    `json:"cohere_v1"`
	CohereDocuments  []string    `json:"cohere_v1_documents"`
	CohereRefused    string      `json:"cohere_refused"`
	OpenAI           [][]float64 `json:"openai"`
	OpenAITokens     int         `json:"openai_tokens"`
	OpenAIFloat      []float64   `json:"openai_float"`
	OpenAIPictures   [][]float64 `json:"openai_pictures"`
	OpenAIRefused    string      `json:"openai_refused"`
	OpenAIInvalidKey string      `json:"openai_key"`
}

// TestClients: the Python clients of Cohere and OpenAI, with a key, get what
// /v1/rerank and /v1/search say.
func TestClients(t *testing.T) {
	python, err := encodertest.Program("SIGHTLINE_CLIENTS_PYTHON", "clients", "python")
	if err != nil {
		encodertest.Missing(t, "clients", err)
	}
	environ := clitest.Environ(t)
	file := filepath.Join(t.TempDir(), "keys.jsonl")
	key, _ := newKey(t, "--name", "engine", "--scopes", "search", "--keys", file)
	s := serve(t, environ, "--data", data(t, environ, "auto"), "--model", model(t), "--keys", file)
	bearer := []string{"Authorization", "Bearer " + key}
	var found answer
	s.postJSON(t, "/v1/search", map[string]any{"text": trousers, "limit": 20, "deadline_ms": 30_000}, &found, bearer...)
	documents, texts := backwards(found.Hits), []any{"a red mug", trousers, "a striped dress"}
	photo := dataURL(readPicture(t, picturesOf(t)["p0194"]))
	got := askClients(t, python, []string{s.url, key}, map[string]any{"query": trousers, "documents": documents, "texts": texts, "picture": photo})
	t.Logf("clients %v", got.Versions)

	for i, r := range got.CohereV1 {
		h := found.Hits[i]
		if math.Abs(r.Relevance-*h.Probability) > 1e-4 || documents[r.Index] != h.ID || got.CohereDocuments[i] != h.ID || i < 5 && got.CohereV2[i] != r {
			t.Errorf("place %d: %+v, in the search %+v", i+1, r, h)
		}
	}
	if len(got.CohereV1) != 20 || len(got.CohereV2) != 5 || got.CohereMeta[1] != "2" || got.CohereRefused != "documents[0]" {
		t.Errorf("%d and %d results, meta %v, refused %q", len(got.CohereV1), len(got.CohereV2), got.CohereMeta, got.CohereRefused)
	}
	if len(got.CohereV2Picture) != 3 || got.CohereV2Picture[0].Index != 1 {
		t.Errorf("texts for the trousers: %+v", got.CohereV2Picture)
	}
	checkEmbedded(t, got, found)
}

func checkEmbedded(t *testing.T, got clientAnswers, found answer) {
	t.Helper()
	dot := func(a, b []float64) (sum float64) {
		for i := range a {
			sum += a[i] * b[i]
		}
		return sum
	}
	if len(got.OpenAI) != 3 || len(got.OpenAIPictures) != 2 || got.OpenAITokens == 0 || got.OpenAIRefused != "input[0]" || got.OpenAIInvalidKey != "unauthorized" {
		t.Fatalf("%d texts, %d pictures, %d tokens, refused %q, %q", len(got.OpenAI), len(got.OpenAIPictures), got.OpenAITokens, got.OpenAIRefused, got.OpenAIInvalidKey)
	}
	if d := dot(got.OpenAI[0], got.OpenAIFloat); math.Abs(d-1) > 1e-4 {
		t.Errorf("base64 and float differ: cosine %g", d)
	}
	last := found.Hits[len(found.Hits)-1] // documents[0]
	if itc := dot(got.OpenAI[1], got.OpenAIPictures[1]); math.Abs(itc-last.ITC) > 1e-4 {
		t.Errorf("cosine %g of text and item, %g in the search", itc, last.ITC)
	}
}

func askClients(t *testing.T, python string, args []string, question any) (answers clientAnswers) {
	t.Helper()
	input, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), python, append([]string{filepath.Join("testdata", "clients.py")}, args...)...)
	c.Stdin = bytes.NewReader(input)
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err == nil {
		err = json.Unmarshal(out, &answers)
	}
	if err != nil {
		t.Fatalf("%v: %.500s\n%s", err, out, errs.String())
	}
	return answers
}
