package api_test

import (
	"context"
	"strings"
	"testing"

	"sightline/store/fetch"
)

func fieldsOf(p problem) string {
	var fields []string
	for _, f := range p.Errors {
		fields = append(fields, f.Field+": "+f.Detail)
	}
	return strings.Join(fields, " | ")
}

// Every refusal of the routes, with the place of what is wrong.
func TestPairsRefusals(t *testing.T) {
	many := func(n int, each string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(each+",", n), ",") + "]"
	}
	const rerank, match, embeddings = "/v1/rerank", "/v1/match", "/v1/embeddings"
	for name, c := range map[string]struct {
		path, body string
		status     int
		want       string // in detail or fields
	}{
		"nothing":           {rerank, `{}`, 422, "query: is empty: give the words to compare with, or a picture | documents: is missing: give a list"},
		"no list":           {rerank, `{"query":"red","documents":"a"}`, 422, "documents: must be a list"},
		"empty list":        {rerank, `{"query":"red","documents":[]}`, 422, "documents: is empty"},
		"no object":         {rerank, `[]`, 400, "must be a JSON object such as"},
		"unknown item":      {rerank, `{"query":"red","documents":["a","nobody",{"id":"none"}]}`, 422, "documents[1]: names no indexed item: give an item's id, or a picture as address, data: URL or base64 | documents[2].id: names no indexed item"},
		"text and text":     {rerank, `{"query":"red","documents":["a",{"text":"red"}]}`, 422, "documents[1]: is a text, and so is the query"},
		"long text":         {rerank, `{"query":"red","documents":["` + strings.Repeat("red ", 50) + `"]}`, 422, "texts cannot be read with texts"},
		"two pictures":      {rerank, `{"query":{"image":"` + b64(1) + `"},"documents":["red",{"image":"` + b64(2) + `"}]}`, 422, "documents[1]: is a picture, and so is the query"},
		"query of nobody":   {rerank, `{"query":{"id":"nobody"},"documents":["red"]}`, 422, "query.id: names no indexed item"},
		"no words":          {rerank, `{"query":"!","documents":["a"]}`, 422, "query: has no words that the model can read"},
		"text, no words":    {rerank, `{"query":{"id":"a"},"documents":["red","?!"," "]}`, 422, "documents[2]: is empty: give a text"},
		"texts, no words":   {rerank, `{"query":{"id":"a"},"documents":["red","?!"]}`, 422, "documents[1]: has no words that the model can read"},
		"wrong types":       {rerank, `{"query":7,"documents":["a"],"top_n":0,"model":{},"deadline_ms":1}`, 422, `query: must be text in quotes, or an object such as {"text": …}, {"id": …}, {"image": …} | top_n: must be at least 1: leave it out for all | model: must be text in quotes | deadline_ms: must be between 50 and 30000`},
		"a hint":            {rerank, `{"query":"red","documents":["a"],"top_m":1}`, 422, `top_m: is not a field; did you mean "top_n"?`},
		"rank fields":       {rerank, `{"query":"red","documents":["a"],"rank_fields":["title"]}`, 422, `rank_fields: is not a field`},
		"document types":    {rerank, `{"query":"red","documents":[7,null,["a"],{},{"image":"` + b64(1) + `","id":"a"},{"txt":"a"}]}`, 422, `documents[0]: must be text in quotes, or an object such as {"text": …}, {"id": …}, {"image": …} | documents[1]: must be`},
		"several":           {rerank, `{"query":"red","documents":[{"id":"a","text":"b"}]}`, 422, "documents[0]: has several of text, id, image and image_url: give one"},
		"second picture":    {rerank, `{"query":"red","documents":[{"image":"http://x.example/1","image_url":"http://x.example/2"}]}`, 422, "documents[0].image_url: is a second picture: give one"},
		"empty document":    {rerank, `{"query":"red","documents":["a",""]}`, 422, "documents[1]: is empty: give an item's id, or a picture"},
		"broken base64":     {rerank, `{"query":"red","documents":[{"image":"shoe.png"},"data:image/png;base64,***"]}`, 422, `documents[0].image: must be an http or https address, a data: URL, or the base64 of a JPEG, PNG or WebP; an item's picture is {"id": …} | documents[1]: must be an http`},
		"bad address":       {rerank, `{"query":"red","documents":[{"image":"http://"},{"image":{"url":"ftp://x.example/1"}}]}`, 422, "documents[0].image: must be an http or https address: send pictures of your own computer as base64 or as a form | documents[1].image: must be an http"},
		"box in pixels":     {rerank, `{"query":"red","documents":[{"image":{"url":"http://x.example/1","box":[0,0,100,50]}}]}`, 422, "documents[0].image.box: must be in fractions of the picture's width and height, 0 to 1: divide pixels by these"},
		"box of an item":    {rerank, `{"query":"red","documents":[{"image":{"id":"a","box":[0,0,0.5,0.5]}}]}`, 422, "documents[0].image.box: is for pictures that come with the request"},
		"not a picture":     {rerank, `{"query":"red","documents":["a","http://x.example/page","http://x.example/page2"]}`, 422, "documents[1]: this is text, not a picture; send a JPEG, PNG or WebP picture | documents[2]: this is text"},
		"gone":              {rerank, `{"query":"red","documents":["http://x.example/gone","a","http://inside/1"]}`, 422, "documents[0]: cannot be fetched: because of not_found | documents[2]: cannot be fetched: because of refused_address"},
		"down":              {rerank, `{"query":"red","documents":["http://x.example/down"]}`, 502, "documents[0]: cannot be fetched now: because of host_down"},
		"late":              {rerank, `{"query":"red","documents":["http://x.example/late"],"deadline_ms":60}`, 504, "did not finish in time"},
		"too many":          {rerank, `{"query":"red","documents":` + many(1001, `"a"`) + `}`, 422, "documents: has more than 1000 elements"},
		"too many pictures": {rerank, `{"query":"red","documents":` + many(33, `"http://x.example/1"`) + `}`, 422, "documents: has 33 pictures that have to be encoded; the limit is 32"},
		"many problems":     {rerank, `{"query":"red","documents":` + many(100, `7`) + `}`, 422, "documents[15]"},

		"no pairs":           {match, `{}`, 422, "pairs: is missing: give a list"},
		"pair is no object":  {match, `{"pairs":["red"]}`, 422, `pairs[0]: must be an object such as {"text": "red shoes", "id": "SKU"}`},
		"half pairs":         {match, `{"pairs":[{"text":"red"},{"id":"a"},{"text":"red","id":"a","image":"http://x.example/1"}]}`, 422, "pairs[0]: is empty: give one of text, id, image and image_url | pairs[1].text: is empty: give the words to compare with the picture | pairs[2].image: is a second picture: give one"},
		"pairs of nobody":    {match, `{"pairs":[{"text":"red","id":"a"},{"text":"red","id":"nobody"}]}`, 422, "pairs[1].id: names no indexed item"},
		"pairs without word": {match, `{"pairs":[{"text":"red","id":"a"},{"text":"?","id":"a"}]}`, 422, "pairs[1].text: has no words that the model can read"},
		"too many pairs":     {match, `{"pairs":` + many(65, `{"text":"red","id":"a"}`) + `}`, 422, "pairs: has more than 64 elements"},

		"no input":         {embeddings, `{"model":"clip"}`, 422, "input: is missing: give a list"},
		"token ids":        {embeddings, `{"input":[[1,2]]}`, 422, "input[0]: must be a text or a picture: lists of token ids are those of another model's tokenizer"},
		"token ids, one":   {embeddings, `{"input":[1,2]}`, 422, "input[0]: must be a text or a picture: lists of token ids"},
		"input as data":    {embeddings, `{"input":"data:image/png;base64,AAAA"}`, 422, `input: is a data: URL, which is no text: send {"image": …}`},
		"empty input":      {embeddings, `{"input":["red",""]}`, 422, "input[1]: has no words that the model can read"},
		"other dimensions": {embeddings, `{"input":"red","dimensions":512}`, 422, "dimensions: must be 2, which this model's embeddings have: leave it out"},
		"other format":     {embeddings, `{"input":"red","encoding_format":"int8"}`, 422, `encoding_format: must be "float" or "base64"`},
		"not normalized":   {embeddings, `{"input":"red","normalized":false}`, 422, "normalized: must be true: embeddings have unit length"},
		"input of nobody":  {embeddings, `{"input":["red",{"id":"nobody"}]}`, 422, "input[1].id: names no indexed item"},
		"invalid UTF-8":    {embeddings, "{\"input\":\"r\xffd\"}", 400, "not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCompared(t).do("POST", c.path, "application/json", c.body)
			p := readProblem(t, w)
			if said := fieldsOf(p); w.Code != c.status || !strings.Contains(said, c.want) && !strings.Contains(p.Detail, c.want) || len(p.Errors) > 20 {
				t.Errorf("%d %q\nproblems %s\nwant     %d %s", w.Code, p.Detail, said, c.status, c.want)
			}
		})
	}
	s := newCompared(t)
	s.engine.Fetcher = nil
	if p := readProblem(t, s.do("POST", rerank, "application/json", `{"query":"red","documents":["http://x.example/1"]}`)); p.Status != 501 || !strings.Contains(p.Detail, "fetches no pictures") {
		t.Errorf("without a fetcher: %+v", p)
	}
	if p := readProblem(t, s.do("POST", rerank, "text/plain", `{}`)); p.Status != 415 {
		t.Errorf("as text: %+v", p)
	}
}

// Pictures of one request are bounded together.
func TestRerankTooMuch(t *testing.T) {
	s := newCompared(t)
	s.engine.Fetcher = largeWeb{}
	p := readProblem(t, s.do("POST", "/v1/rerank", "application/json", `{"query":"red","documents":["http://x.example/1"`+strings.Repeat(`,"http://x.example/2"`, 7)+`]}`))
	if p.Status != 413 || !strings.Contains(p.Detail, "64 MiB together") || s.eyes.decoded != 0 {
		t.Errorf("%+v, %d decoded", p, s.eyes.decoded)
	}
}

type largeWeb struct{}

func (largeWeb) Get(context.Context, fetch.Request) (fetch.Response, error) {
	return fetch.Response{Data: make([]byte, 10<<20)}, nil
}
