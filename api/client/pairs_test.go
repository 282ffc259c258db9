package client_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"sightline/api/client"
)

// echoing answers one path, and refuses another body than that.
func echoing(t *testing.T, path, want, body string) *client.Client {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		if r.URL.Path != path || string(got) != want {
			answer(w, 400, fmt.Sprintf(`{"detail":%q}`, r.URL.Path+" "+string(got)))
			return
		}
		answer(w, 200, body)
	})
}

func TestRerank(t *testing.T) {
	c := echoing(t, "/v1/rerank", `{"query":{"text":"red"},"documents":[{"id":"p1"},{"image":{"url":"https://a.example/1.jpg"}},{"image":{"base64":"AQI="}}],"top_n":2,"return_documents":false}`,
		`{"results":[{"index":2,"relevance_score":0.5,"score":1.5,"itc":0.5,"itm_logit":1},{"index":0,"relevance_score":0,"score":0.25,"itc":0.25,"itm_logit":null}],"rerank":{"scored":1,"of":3,"stopped":"missing"}}`)
	r, err := c.Rerank(t.Context(), client.RerankQuery{Query: client.Input{Text: "red"}, TopN: 2, Documents: []client.Input{{ID: "p1"}, {URL: "https://a.example/1.jpg"}, {Bytes: []byte{1, 2}}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Results) != 2 || r.Results[0].Index != 2 || *r.Results[0].ITMLogit != 1 || r.Results[1].ITMLogit != nil || r.Rerank.Stopped != "missing" {
		t.Errorf("%+v", r)
	}
}

func TestMatch(t *testing.T) {
	c := echoing(t, "/v1/match", `{"pairs":[{"text":"red","id":"p1"},{"text":"blue","image":{"base64":"AQI="}}]}`,
		`{"pairs":[{"index":0,"itc":0.5,"itm_logits":[-2,1],"itm_logit":1,"match_probability":0.9,"score":1.5},{"index":1,"itc":0.1,"itm_logits":null,"itm_logit":null,"match_probability":null,"score":null}],"rerank":{"scored":1,"of":2}}`)
	r, err := c.Match(t.Context(), []client.Pair{{Text: "red", ID: "p1"}, {Text: "blue", Bytes: []byte{1, 2}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Pairs) != 2 || r.Pairs[0].ITMLogits[0] != -2 || *r.Pairs[0].Score != 1.5 || r.Pairs[1].Score != nil || r.Rerank.Of != 2 {
		t.Errorf("%+v", r)
	}
}

func TestEmbeddings(t *testing.T) {
	c := echoing(t, "/v1/embeddings", `{"input":[{"text":"red"},{"id":"p1"}]}`,
		`{"data":[{"index":0,"embedding":[0.6,0.8]},{"index":1,"embedding":[1,0]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}`)
	r, err := c.Embeddings(t.Context(), []client.Input{{Text: "red"}, {ID: "p1"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Data) != 2 || r.Data[0].Vector[1] != 0.8 || r.Model != "m" || r.Usage.PromptTokens != 3 {
		t.Errorf("%+v", r)
	}
}

func TestExplainedHits(t *testing.T) {
	c := echoing(t, "/v1/search", `{"text":"red","explain":true}`,
		`{"hits":[{"id":"a","explain":{"terms":[{"kind":"boost","name":"sale","value":1,"weight":0.5,"adds":0.5}],"look_rank":3,"margin":null,"calibrated":true,"expected_logit":0.25}}]}`)
	r, err := c.Search(t.Context(), client.Query{Text: "red", Explain: true})
	if err != nil {
		t.Fatal(err)
	}
	if why := r.Hits[0].Explain; why == nil || why.Terms[0].Name != "sale" || why.LookRank != 3 || why.Margin != nil || *why.ExpectedLogit != 0.25 {
		t.Errorf("%+v", r.Hits[0])
	}
}
