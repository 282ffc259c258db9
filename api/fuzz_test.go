package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"testing"
	"unicode/utf8"
)

// checkDecoded holds for every decoder and every input: what comes out without
// an error is a valid request, and an error is one for its sender.
func checkDecoded(t *testing.T, req SearchRequest, err error) {
	t.Helper()
	if err == nil {
		if problem := req.Validate(); problem != nil {
			t.Fatalf("decoded an invalid request %+v: %v", req, problem)
		}
		return
	}
	k, detail, fields := explain(err)
	if k.status() >= 500 || detail == "" {
		t.Fatalf("%s %q for a bad request: %v", k, detail, err)
	}
	var inv *Invalid
	if errors.As(err, &inv) && (len(inv.Fields) == 0 || len(inv.Fields) > 2*maxFields) {
		t.Fatalf("%d problems", len(inv.Fields))
	}
	for _, f := range fields {
		if f.Detail == "" || len(f.Field) > 200 {
			t.Fatalf("problem %+v in %v", f, err)
		}
	}
	if body, err := encodeJSON(fields); err != nil || len(body) > 1<<17 {
		t.Fatalf("problems of %d bytes, error %v", len(body), err)
	}
}

func FuzzSearchRequest(f *testing.F) {
	for _, seed := range []string{
		`{"text":"red shoes","limit":5,"offset":2,"rerank":{"enabled":true,"depth":3},"deadline_ms":200,"min_match":0.5}`,
		`{"image":{"id":"a/b"}}`, `{"text":"red","image":{"id":"a","weight":0.25},"negative":"blue","negative_weight":1e0,"rerank":{"titles":true}}`,
		`{"image":{"base64":"data:image/png;base64,iVBORw0KGgo="}}`, `{"image":{"base64":"iVBORw0KGgo\u003d"}}`,
		`{"text":"red","group_by":"attributes.line","diversity":0.3,"boosts":[{"name":"n","filter":"brand = \"a\"","by":-0.5},{"filter":{"price":{"lt":5}},"by":1e9}],"buries":[{"filter":"color EXISTS"}],"pins":[{"id":"a","place":1}]}`,
		`{"text":"red","boosts":[null,{},[],{"by":null,"filter":7}],"buries":null,"pins":[{"id":"a","place":1},{"id":"a","place":1001}]}`, `{"text":"red","pins":{}}`,
		`{"text":"red","facets":["brand",{"field":"price","limit":5,"ranges":[{"to":5},{"from":5,"to":1e3}],"of":"filter","multi":true}]}`, `{"text":"red","facets":[null,7,{"of":""},{"ranges":[null]}]}`,
		`{"image":{"url":"https://a.example/b.jpg","box":[0,0.25,0.5,1]}}`, `{"image":{"url":"","box":[null,0,1,1]}}`,
		`{"text":null,"image":null,"rerank":null,"limit":null}`, `{"text":"a","text":"b"}`, `{"rerank":[{}]}`, `{"text":"\ud800\u0000"}`, ` {} {}`, `[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := decodeSearch(body)
		checkDecoded(t, req, err)
		if err == nil && !json.Valid(body) {
			t.Fatalf("took %q, which is no JSON", body)
		}
		checkMembers(t, body)
	})
}

// checkMembers compares with encoding/json, which keeps the last of equal names.
func checkMembers(t *testing.T, body []byte) {
	t.Helper()
	body = bytes.TrimSpace(body)
	want := map[string]json.RawMessage{}
	if !utf8.Valid(body) || checkSyntax(body) != nil || json.Unmarshal(body, &want) != nil {
		return
	}
	got := maps.Collect(members(body))
	if !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
		t.Fatalf("members %q, encoding/json reads %q", got, want)
	}
}

func FuzzSearchQuery(f *testing.F) {
	for _, seed := range []string{"q=red+shoes&limit=5&rerank=false", "q=%00", "q=a&q=b", "q=%zz", "limit=-1&deadline_ms=99999999999999999999", "min_match=NaN&q=a", "q=red&image_id=a&image_weight=0.25&negative=blue&negative_weight=1e999&titles=true", "q=red&group_by=group_id&diversity=0.5&offset=990", "group_by=price&diversity=NaN", "q=a&facets=brand,price", "q=a&facets=[{\"field\":\"brand\"}]", "image_url=https://a.example/b.jpg&image_box=0,0,1,1", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		req, err := decodeQuery(raw)
		checkDecoded(t, req, err)
		req, err = decodeSimilar(raw, "a")
		checkDecoded(t, req, err)
	})
}

func FuzzSearchForm(f *testing.F) {
	const boundary = "xx"
	for _, seed := range []string{
		"--xx\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\nbytes\r\n--xx\r\nContent-Disposition: form-data; name=\"limit\"\r\n\r\n5\r\n--xx--\r\n",
		"--xx\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nred\r\n--xx\r\n\r\n\r\n--xx--\r\n", "--xx--\r\n", "--xx\r\n", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := decodeForm(newForm(bytes.NewReader(body), boundary))
		checkDecoded(t, req, err)
	})
}
