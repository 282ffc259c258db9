package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/encoder/picture"
	"sightline/rerank"
	"sightline/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var timing = regexp.MustCompile(`("(?:tokenize|encode|search|rerank|total)": )\d+(\.\d{1,3})?\b`)

// The answer's shape is a promise to clients: every name, every null.
func TestAnswerGolden(t *testing.T) {
	s := newService("a", "b", "c")
	w := s.post(`{"text": "red shoes", "rerank": {"depth": 2}}`)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("status %d, headers %v", w.Code, w.Header())
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, w.Body.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	got := timing.ReplaceAll(pretty.Bytes(), []byte("${1}0"))
	const name = "testdata/answer.golden.json"
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("answer differs from %s (run with -update if that is meant):\n%s", name, got)
	}
}

func TestGetIsTheSameSearch(t *testing.T) {
	s := newService("a", "b", "c", "d")
	got := readHits(t, s.do(http.MethodGet, "/v1/search?q=red+shoes&limit=2&offset=1&depth=3", "", ""))
	want := readHits(t, s.post(`{"text":"red shoes","limit":2,"offset":1,"rerank":{"depth":3}}`))
	if ids(got.Hits) != "b a" || ids(want.Hits) != "b a" || got.Query.Text != want.Query.Text {
		t.Errorf("GET gives %q for %q, POST %q for %q", ids(got.Hits), got.Query.Text, ids(want.Hits), want.Query.Text)
	}
	if off := readHits(t, s.do(http.MethodGet, "/v1/search?q=shoes&rerank=false", "", "")); off.Rerank.Stopped != "disabled" || ids(off.Hits) != "a b c d" {
		t.Errorf("rerank=false: %+v, hits %s", off.Rerank, ids(off.Hits))
	}
}

func TestEmptyIndex(t *testing.T) {
	w := newService().post(`{"text":"shoes"}`)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"hits":[]`) {
		t.Errorf("status %d, body %s", w.Code, w.Body)
	}
}

func form(t *testing.T, fields map[string]string, picture string) (contentType, body string) {
	t.Helper()
	var buf bytes.Buffer
	f := multipart.NewWriter(&buf)
	for name, value := range fields {
		if err := f.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if picture != "" {
		part, err := f.CreateFormFile("image", "shoe.png")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, picture); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.FormDataContentType(), buf.String()
}

func TestSearchByUpload(t *testing.T) {
	s := newService("a", "b", "c")
	encoded := base64.StdEncoding.EncodeToString([]byte(pngBytes))
	ct, body := form(t, map[string]string{"limit": "2"}, pngBytes)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"multipart":      s.do(http.MethodPost, "/v1/search", ct, body),
		"base64":         s.post(`{"limit":2,"image":{"base64":"` + encoded + `"}}`),
		"escaped base64": s.post(`{"limit":2,"image":{"base64":"` + strings.ReplaceAll(encoded, "/", `\/`) + `"}}`),
		"data URL":       s.post(`{"limit":2,"image":{"base64":"data:image/png;base64,` + encoded + `"}}`),
		"of an item":     s.post(`{"limit":2,"image":{"id":"c"}}`),
		"similar":        s.do(http.MethodGet, "/v1/items/c/similar?limit=2", "", ""),
	} {
		t.Run(name, func(t *testing.T) {
			if res := readHits(t, w); ids(res.Hits) != "a b" || res.Rerank.Stopped != "disabled" {
				t.Errorf("hits %q, rerank %+v", ids(res.Hits), res.Rerank)
			}
		})
	}
}

func TestTextFormWithoutPicture(t *testing.T) {
	ct, body := form(t, map[string]string{"text": "red shoes", "depth": "2"}, "")
	if res := readHits(t, newService("a", "b").do(http.MethodPost, "/v1/search", ct, body)); ids(res.Hits) != "b a" {
		t.Errorf("hits %s", ids(res.Hits))
	}
}

// Every kind of refusal with its status, and what it says about which fields.
func TestRefusals(t *testing.T) {
	bothType, both := form(t, map[string]string{"text": "red", "image_weight": "2", "image_id": "a"}, pngBytes)
	twiceType, twice := form(t, map[string]string{"limt": "1", "rerank": "perhaps"}, "<html>")
	post := func(body string) *http.Request { return newRequest("POST", "/v1/search", "application/json", body) }
	for name, c := range map[string]struct {
		request *http.Request
		status  int
		code    string
		want    string // field: detail of every problem, or the detail
	}{
		"empty body":        {post(``), 400, "malformed", "The body is empty"},
		"not JSON":          {post(`text=red`), 400, "malformed", "not valid JSON near byte"},
		"cut JSON":          {post(`{"text": "red`), 400, "malformed", "ends too early"},
		"trailing data":     {post(`{"text":"red"} {}`), 400, "malformed", "after top-level value"},
		"an array":          {post(`["red"]`), 400, "malformed", "must be a JSON object"},
		"invalid UTF-8":     {post("{\"text\":\"r\xffd\"}"), 400, "malformed", "not valid UTF-8"},
		"too many fields":   {post("{" + strings.Repeat(`"x":1,`, 70) + `"text":"red"}`), 400, "malformed", "more than 64 fields"},
		"nothing to search": {post(`{}`), 422, "invalid", "text: is empty: give the words to search for, or a picture as image"},
		"blank text":        {post(`{"text":" \n "}`), 422, "invalid", "text: is empty: give the words to search for, or a picture as image"},
		"NUL":               {post(`{"text":"a\u0000b"}`), 422, "invalid", "text: contains a NUL character; leave it out"},
		"long text":         {post(`{"text":"` + strings.Repeat("a", 2001) + `"}`), 422, "invalid", "text: is 2001 bytes long; the limit is 2000"},
		"a hint":            {post(`{"text":"red","limits":5}`), 422, "invalid", `limits: is not a field; did you mean "limit"?`},
		"wrong case":        {post(`{"Text":"red","text":"red"}`), 422, "invalid", `Text: is not a field; did you mean "text"?`},
		"a synonym":         {post(`{"query":"red"}`), 422, "invalid", `query: is not a field; did you mean "text"? | text: is empty: give the words to search for, or a picture as image`},
		"given twice":       {post(`{"text":"red","text":"blue"}`), 422, "invalid", "text: is given more than once"},
		"all at once": {
			post(`{"text":7,"limit":"many","offset":-1,"rerank":{"depth":1.5,"enable":true},"deadline_ms":1,"min_match":2}`), 422, "invalid",
			`text: must be text in quotes | limit: must be a whole number | rerank.depth: must be a whole number | rerank.enable: is not a field; did you mean "enabled"? | ` +
				"offset: must be between 0 and 9900 | deadline_ms: must be between 50 and 30000 | min_match: must be between 0 and 1",
		},
		"filter, wrong type": {post(`{"text":"red","filter":{"price":{"lt":"cheap"}}}`), 422, "invalid", `filter: $.price.lt: price is a number: write "lt": 50, not "lt": "cheap"`},
		"filter, both wrong": {post(`{"text":"red","limit":0,"filter":"price <"}`), 422, "invalid", "filter: $, column 8: expected a value, found the end | limit: must be between 1 and 100"},
		"query: filter":      {newRequest("GET", "/v1/search?q=a&filter=price+%3C+%22x%22", "", ""), 422, "invalid", `filter: column 9: price is a number: write price < 50, not price < "x"`},
		"picture by URL":     {post(`{"image":{"url":"https://example.org/a.png"}}`), 501, "unsupported", "fetches no pictures"},
		"shares out of bounds": {
			post(`{"text":"red","negative":"blue","negative_weight":-0.1,"image":{"id":"a","weight":1.5},"rerank":{"enabled":false,"titles":true}}`), 422, "invalid",
			"image.weight: must be between 0 and 1 | negative_weight: must be between 0 and 1 | rerank.titles: needs the second look: leave it out, or switch rerank on",
		},
		"shares of nothing": {
			post(`{"text":"red","negative":" ","negative_weight":0.1,"image":{"weight":0.7},"rerank":{"titles":true}}`), 422, "invalid",
			"image.weight: is for a search by text and picture together: leave it out | negative_weight: is for a search with a negative text: leave it out, or give one as negative | " +
				"rerank.titles: is for a search with a picture, which is read with titles: leave it out",
		},
		"weight and picture":     {post(`{"image":{"id":7,"weight":2}}`), 422, "invalid", "image.id: must be text in quotes | image.weight: must be between 0 and 1"},
		"negative alone":         {post(`{"negative":"red\u0000"}`), 422, "invalid", "text: is empty: give the words to search for, or a picture as image | negative: contains a NUL character; leave it out"},
		"no words":               {post(`{"text":"!","negative":"?"}`), 422, "invalid", "text: has no words that the model can read; describe the picture in words | negative: has no words that the model can read; leave it out, or say in words what hits should not be like"},
		"nothing left":           {post(`{"text":"red","negative":"red","negative_weight":1}`), 422, "invalid", "text: is cancelled out by what it is combined with: choose other weights or words"},
		"two pictures":           {post(`{"image":{"id":"a","base64":"AAAA"}}`), 422, "invalid", "image: has both an id and a picture: give one of them"},
		"image is no object":     {post(`{"image":"a.png"}`), 422, "invalid", "image: must be an object with the fields base64, box, id, url, weight"},
		"rerank is no object":    {post(`{"text":"red","rerank":true}`), 422, "invalid", "rerank: must be an object with the fields depth, enabled, titles"},
		"bad base64":             {post(`{"image":{"base64":"*"}}`), 422, "invalid", "image.base64: must be standard base64 with padding"},
		"empty base64":           {post(`{"image":{"base64":""}}`), 422, "invalid", "image.base64: is empty: give the bytes of a JPEG, PNG or WebP"},
		"unknown item":           {post(`{"image":{"id":"nobody"}}`), 422, "invalid", "image.id: names no indexed item"},
		"min_match, no rerank":   {post(`{"text":"red","min_match":0.5,"rerank":{"enabled":false}}`), 422, "invalid", "min_match: needs the second look: leave it out, or switch rerank on"},
		"deadline wraps round":   {post(`{"text":"red","deadline_ms":9223372036854775807}`), 422, "invalid", "deadline_ms: must be between 50 and 30000"},
		"base64 is no picture":   {post(`{"image":{"base64":"aGVsbG8="}}`), 422, "bad_picture", "image: this is text, not a picture; send a JPEG, PNG or WebP picture"},
		"form, two pictures":     {newRequest("POST", "/v1/search", bothType, both), 422, "invalid", "image: has both an id and a picture: give one of them | image_weight: must be between 0 and 1"},
		"form, bad fields":       {newRequest("POST", "/v1/search", twiceType, twice), 422, "invalid", "limt"},
		"form, cut":              {newRequest("POST", "/v1/search", bothType, both[:len(both)-20]), 400, "malformed", "The form cannot be read"},
		"form without boundary":  {newRequest("POST", "/v1/search", "multipart/form-data", both), 415, "media_type", "and its boundary"},
		"url-encoded form":       {newRequest("POST", "/v1/search", "application/x-www-form-urlencoded", "text=red"), 415, "media_type", "Content-Type: application/json"},
		"no content type":        {newRequest("POST", "/v1/search", "", "{}"), 415, "media_type", "Content-Type: application/json"},
		"query: empty":           {newRequest("GET", "/v1/search", "", ""), 422, "invalid", "q: is empty: give the words to search for, or a picture as image"},
		"query: all at once":     {newRequest("GET", "/v1/search?q=a&q=b&limit=x&depth=900&reranked=1", "", ""), 422, "invalid", `limit: must be a whole number | q: is given more than once | reranked: is not a field; did you mean "rerank"? | depth: must be between 1 and 200`},
		"query: text":            {newRequest("GET", "/v1/search?text=red", "", ""), 422, "invalid", `text: is not a field; there are deadline_ms, depth, diversity, explain, facets, filter, group_by, image_box, image_id, image_url, image_weight, include_hidden, limit, min_match, negative, negative_weight, offset, q, rerank, titles | q: is empty: give the words to search for, or a picture as image`},
		"query: shares":          {newRequest("GET", "/v1/search?q=a&image_weight=NaN&image_id=%00&titles=1&rerank=0", "", ""), 422, "invalid", "image_id: contains a NUL character; leave it out | image_weight: must be between 0 and 1 | titles: needs the second look: leave it out, or switch rerank on"},
		"query: broken":          {newRequest("GET", "/v1/search?q=%zz", "", ""), 400, "malformed", "percent-encode"},
		"query: invalid UTF-8":   {newRequest("GET", "/v1/search?q=%ff", "", ""), 422, "invalid", "q: is not valid UTF-8 text"},
		"similar: q":             {newRequest("GET", "/v1/items/a/similar?q=red", "", ""), 422, "invalid", "q: is not a field; there are deadline_ms, diversity, explain, facets, filter, group_by, include_hidden, limit, offset"},
		"similar to nobody":      {newRequest("GET", "/v1/items/nobody/similar", "", ""), 404, "not_found", "no indexed item with this id"},
		"no such item":           {newRequest("GET", "/v1/items/nobody", "", ""), 404, "not_found", "no indexed item with this id"},
		"item without id":        {newRequest("GET", "/v1/items/", "", ""), 404, "not_found", "no indexed item with this id"},
		"long id":                {newRequest("GET", "/v1/items/"+strings.Repeat("a", 129), "", ""), 404, "not_found", "no indexed item with this id"},
		"picture of nobody":      {newRequest("GET", "/v1/items/nobody/image", "", ""), 404, "not_found", "no indexed item with this id"},
		"item without a picture": {newRequest("GET", "/v1/items/a/image", "", ""), 404, "not_found", "no stored picture"},
		"unknown address":        {newRequest("GET", "/v2/search", "", ""), 404, "not_found", "nothing at this address"},
		"wrong method":           {newRequest("DELETE", "/v1/search", "", ""), 405, "method", "only GET and POST"},
		"unknown method":         {newRequest("BREW", "/v1/items/a", "", ""), 405, "method", "only GET"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			newService("a", "b").handler().ServeHTTP(w, c.request)
			p := readProblem(t, w)
			var fields []string
			for _, f := range p.Errors {
				fields = append(fields, f.Field+": "+f.Detail)
			}
			said := strings.Join(fields, " | ")
			matches := said == c.want || strings.Contains(p.Detail, c.want) || !strings.Contains(c.want, ":") && strings.Contains(said, c.want)
			if w.Code != c.status || p.Code != c.code || !matches {
				t.Errorf("%d %s %q\nproblems %s\nwant     %d %s %s", w.Code, p.Code, p.Detail, said, c.status, c.code, c.want)
			}
		})
	}
}

func newRequest(method, target, contentType, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

// Errors of the parts become statuses; their texts stay inside.
func TestInternalErrors(t *testing.T) {
	const secret = "ORT says /var/models/secret.onnx"
	fails := func(err error) func(context.Context) error {
		return func(context.Context) error { return fmt.Errorf("%s: %w", secret, err) }
	}
	for name, c := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"unknown":           {errors.New("boom"), 500, "internal"},
		"late":              {context.DeadlineExceeded, 504, "deadline"},
		"caller left":       {context.Canceled, 499, "cancelled"},
		"index closed":      {store.ErrClosed, 503, "unavailable"},
		"store away":        {fmt.Errorf("%w: %w", store.ErrUnavailable, context.DeadlineExceeded), 503, "unavailable"},
		"model closed":      {encoder.ErrClosed, 503, "unavailable"},
		"another model":     {store.ErrFingerprint, 503, "unavailable"},
		"picture too large": {&picture.Error{Kind: picture.KindTooLarge, Msg: "too many pixels"}, 413, "too_large"},
		"picture broken":    {&picture.Error{Kind: picture.KindBroken, Msg: "the file is damaged"}, 422, "bad_picture"},
		"picture format":    {&picture.Error{Kind: picture.KindUnsupported, Msg: "this is a TIFF"}, 415, "media_type"},
	} {
		t.Run(name, func(t *testing.T) {
			var logs bytes.Buffer
			s := newService("a")
			s.opts.Log = slog.New(slog.NewTextHandler(&logs, nil))
			s.index.search = fails(c.err)
			w := s.post(`{"text":"red"}`)
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("internal text leaks: %s", w.Body)
			}
			p := readProblem(t, w)
			if w.Code != c.status || p.Code != c.code {
				t.Errorf("status %d, code %s", w.Code, p.Code)
			}
			if logged := logs.String(); c.status >= 500 && c.status != 504 && (!strings.Contains(logged, "secret") || !strings.Contains(logged, "test-1")) {
				t.Errorf("the log misses the cause or the request id: %s", logged)
			}
		})
	}
}

func TestUnencodableAnswerIsACleanError(t *testing.T) {
	s := newService("a")
	s.engine.Reranker = rerankFunc(func(_ context.Context, _ encoder.Query, cands []rerank.Candidate) rerank.Outcome {
		return rerank.Outcome{Hits: []rerank.Scored{{Candidate: cands[0], Score: math.NaN()}}}
	})
	if p := readProblem(t, s.post(`{"text":"red"}`)); p.Status != 500 || p.Code != "internal" {
		t.Errorf("problem %+v", p)
	}
}

func TestRerankFailureIsLoggedAndAnswered(t *testing.T) {
	var logs bytes.Buffer
	s := newService("a", "b")
	s.opts.Log = slog.New(slog.NewTextHandler(&logs, nil))
	s.engine.Reranker = rerankFunc(func(_ context.Context, _ encoder.Query, cands []rerank.Candidate) rerank.Outcome {
		out := rerank.Outcome{Of: 2, Stopped: rerank.StoppedFailed, Err: errors.New("graph broke")}
		for i, c := range cands {
			out.Hits = append(out.Hits, rerank.Scored{Candidate: c, Score: c.ITC, ITCRank: i + 1})
		}
		return out
	})
	w := s.post(`{"text":"red"}`)
	if strings.Contains(w.Body.String(), "graph broke") {
		t.Error("internal text leaks")
	}
	if res := readHits(t, w); ids(res.Hits) != "a b" || res.Rerank.Stopped != "failed" {
		t.Errorf("hits %s, rerank %+v", ids(res.Hits), res.Rerank)
	}
	if !strings.Contains(logs.String(), "graph broke") {
		t.Errorf("log: %s", logs.String())
	}
}

// A form whose last boundary is missing was cut, wherever that happened.
func TestCutForms(t *testing.T) {
	contentType, body := form(t, map[string]string{"limit": "5"}, pngBytes)
	for cut := 3; cut <= len(body); cut++ {
		w := newService("a").do(http.MethodPost, "/v1/search", contentType, body[:len(body)-cut])
		if p := readProblem(t, w); p.Status != 400 {
			t.Errorf("cut by %d: %+v", cut, p)
		}
	}
	for _, whole := range []string{strings.TrimRight(body, "\r\n"), body + "an epilogue"} {
		if w := newService("a").do(http.MethodPost, "/v1/search", contentType, whole); w.Code != 200 {
			t.Errorf("a form without a last line end, or with more behind it: %d %s", w.Code, w.Body)
		}
	}
}
