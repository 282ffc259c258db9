package api

import "testing"

// checkRefused holds for what a decoder says of a body.
func checkRefused(t *testing.T, err error) {
	t.Helper()
	k, detail, fields := explain(err)
	if k.status() >= 500 || detail == "" || len(fields) > 2*maxFields+maxListProblems {
		t.Fatalf("%s %q, %d fields for a bad request: %v", k, detail, len(fields), err)
	}
	for _, f := range fields {
		if f.Detail == "" || len(f.Field) > 300 {
			t.Fatalf("problem %+v in %v", f, err)
		}
	}
}

// checkPhrase: what was taken is a text or one picture, within the limits.
func checkPhrase(t *testing.T, p phrase, longest int) {
	t.Helper()
	v := p.visual
	pictures := count(v.id != "") + count(v.url != "") + count(len(v.data) > 0)
	switch {
	case pictures > 1:
		t.Fatalf("%d pictures in %+v", pictures, p)
	case pictures == 1 && (v.path == "" || !v.box.IsZero() && (!v.box.Valid() || v.id != "")):
		t.Fatalf("a picture without a place, or with a wrong box: %+v", p)
	case textProblem(p.text, longest) != "" || v.id != noSuchItem && textProblem(v.id, maxIDBytes) != "" || v.url != "" && addressProblem(v.url) != "":
		t.Fatalf("took %+v", p)
	}
}

func FuzzRerankRequest(f *testing.F) {
	for _, seed := range []string{
		`{"model":"m","query":"red","documents":["a",{"id":"b"},"data:image/png;base64,iVBORw0KGgo=",{"image":"iVBORw0KGgo="},{"image_url":{"url":"http://x.example/1"}}],"top_n":2,"return_documents":false}`,
		`{"query":{"image":{"base64":"iVBORw0KGgo=","box":[0,0.5,1,1]}},"documents":["red",{"text":"blue"},{"id":"a"}],"deadline_ms":100}`,
		`{"documents":[7,null,[],{}],"query":null}`, `{"query":"\ud800","documents":["\u0000",""]}`, `{"query":{"id":"a","text":"b"},"documents":{}}`, `{`, `[]`, ``,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, weaviate bool) {
		req, err := decodeRerank(body, rerankForm{weaviate: weaviate})
		if err != nil {
			checkRefused(t, err)
			return
		}
		checkPhrase(t, req.query, maxTextBytes)
		byPicture, fresh := req.query.isPicture(), 0
		for _, d := range req.documents {
			checkPhrase(t, d.phrase, maxDocumentBytes)
			fresh += count(d.isPicture() && d.visual.fresh())
			if byPicture && d.isPicture() && d.visual.fresh() || !byPicture && !d.isPicture() || d.isPicture() == (d.text != "") {
				t.Fatalf("query %+v with document %+v", req.query, d)
			}
		}
		if n := len(req.documents); n < 1 || n > maxDocuments || fresh > maxFresh || req.topN < 0 || req.deadline < minDeadline || req.deadline > maxDeadline {
			t.Fatalf("took %d documents, %d new pictures, %+v", n, fresh, req)
		}
	})
}

func FuzzMatchRequest(f *testing.F) {
	for _, seed := range []string{
		`{"pairs":[{"text":"red","id":"a"},{"text":"blue","image":"http://x.example/1"},{"text":"hat","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}],"deadline_ms":100}`,
		`{"pairs":[{"text":"red"},7,{"id":"a"}]}`, `{"pairs":[{"id":"a","text":"b","image":{"id":"c"}}]}`, `{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := decodeMatch(body)
		if err != nil {
			checkRefused(t, err)
			return
		}
		if n := len(req.pairs); n < 1 || n > maxPairs {
			t.Fatalf("took %d pairs", n)
		}
		for _, p := range req.pairs {
			checkPhrase(t, p.phrase, maxDocumentBytes)
			if p.text == "" || !p.isPicture() {
				t.Fatalf("took half a pair %+v", p)
			}
		}
	})
}

func FuzzEmbeddingsRequest(f *testing.F) {
	for _, seed := range []string{
		`{"model":"m","input":["red",{"text":"blue"},{"image":"http://x.example/1"},{"id":"a"}],"encoding_format":"base64","dimensions":2,"user":"u","normalized":true}`,
		`{"input":"red"}`, `{"input":[[1,2],[3]]}`, `{"input":{"text":"red"}}`, `{"input":[]}`, `{"input":"data:,x","encoding_format":"int8"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := decodeEmbeddings(body)
		if err != nil {
			checkRefused(t, err)
			return
		}
		if n := len(req.inputs); n < 1 || n > maxInputs {
			t.Fatalf("took %d inputs", n)
		}
		for _, in := range req.inputs {
			checkPhrase(t, in, maxDocumentBytes)
		}
	})
}
