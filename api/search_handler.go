package api

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strings"
)

// Body limits. A picture of 10 MiB is 14 MB in base64; a form has little
// besides its picture.
const (
	maxJSONBody = 16_000_000
	maxFormBody = maxPictureBytes + 1<<16
	smallBody   = 1 << 16 // bodies up to here need no slot
)

// searches are the routes that run the pipeline.
type searches struct {
	engine  *Engine
	running slots
	uploads slots
	visible visibility
}

// post reads a JSON or multipart body.
func (s *searches) post(w http.ResponseWriter, r *http.Request) {
	req, err := s.read(w, r)
	if err != nil {
		fail(w, r, err)
		return
	}
	s.answer(w, r, req)
}

// get reads the query string.
func (s *searches) get(w http.ResponseWriter, r *http.Request) {
	req, err := decodeQuery(r.URL.RawQuery)
	if err != nil {
		fail(w, r, err)
		return
	}
	s.answer(w, r, req)
}

// read takes an upload slot for large bodies, and for those that do not say
// how large they are: each may hold some 30 MB while it is decoded.
func (s *searches) read(w http.ResponseWriter, r *http.Request) (SearchRequest, error) {
	give, err := s.uploads.room(r)
	if err != nil {
		return SearchRequest{}, err
	}
	defer give()
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && media == "application/json":
		body, err := readBody(w, r, maxJSONBody)
		if err != nil {
			return SearchRequest{}, bodyError(err)
		}
		return decodeSearch(body)
	case err == nil && media == "multipart/form-data" && params["boundary"] != "":
		return decodeForm(newForm(http.MaxBytesReader(w, r.Body, maxFormBody), params["boundary"]))
	}
	return SearchRequest{}, refuse(kindMediaType, "Send JSON with Content-Type: application/json, or a form with Content-Type: multipart/form-data and its boundary.")
}

// readBody makes room for the announced length at once: growing step by step
// would hold a large body several times over.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	var buf bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= limit {
		buf.Grow(int(n) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	return buf.Bytes(), err
}

// room takes a slot for a large body, and for one that does not say how large it is.
func (s slots) room(r *http.Request) (give func(), err error) {
	if r.ContentLength >= 0 && r.ContentLength <= smallBody {
		return func() {}, nil
	}
	give, ok := s.take()
	if !ok {
		return nil, refuseFor(kindBusy, "uploads", "Too many uploads are under way: try again in a moment.")
	}
	return give, nil
}

// bodyError: what is neither too large nor too slow is a caller who went away
// in the middle.
func bodyError(err error) error {
	if k, _ := bodyKind(err); k != "" {
		return err
	}
	return &refusal{kind: kindMalformed, detail: "The body ended before its announced length.", err: err}
}

func (s *searches) answer(w http.ResponseWriter, r *http.Request, req SearchRequest) {
	res, err := s.run(r, req)
	if errors.Is(err, errNoItem) {
		err = invalid("image.id", "names no indexed item")
	}
	s.reply(w, r, res, err)
}

// similar searches by the picture of the item in the path.
func (s *searches) similar(w http.ResponseWriter, r *http.Request, id string) {
	req, err := decodeSimilar(r.URL.RawQuery, id)
	if err != nil {
		fail(w, r, err)
		return
	}
	res, err := s.run(r, req)
	s.reply(w, r, res, err)
}

func (s *searches) run(r *http.Request, req SearchRequest) (answer, error) {
	if req.IncludeHidden && !seesHidden(r) {
		return answer{}, refuse(kindScope, "include_hidden needs a key with the scope write or admin.")
	}
	return s.engine.recall(r.Context(), req, s.search)
}

// search lets the pipeline work when there is room for one more search.
func (s *searches) search(ctx context.Context, req SearchRequest) (SearchResponse, error) {
	give, ok := s.running.take()
	if !ok {
		return SearchResponse{}, tooMany(s.running)
	}
	defer give()
	return s.engine.Search(ctx, req)
}

func (s *searches) reply(w http.ResponseWriter, r *http.Request, res answer, err error) {
	if err != nil {
		fail(w, r, err)
		return
	}
	res.note(r)
	res.RequestID = requestID(r)
	body, err := res.encode()
	tag := ""
	if err == nil && r.Method != http.MethodPost {
		tag, err = res.etag()
	}
	switch {
	case err != nil:
		fail(w, r, err)
	case tag == "":
		write(w, http.StatusOK, "application/json", body)
	default:
		w.Header().Set("Cache-Control", s.visible.checked())
		respondTagged(w, r, tag, body)
	}
}

// note tells the log how the search went.
func (a answer) note(r *http.Request) {
	note(r, slog.Int("hits", a.size))
	if a.Cached {
		note(r, slog.Bool("cached", true))
	}
	if a.Rerank.Stopped != "" {
		note(r, slog.String("rerank_stopped", a.Rerank.Stopped))
	}
	if len(a.Blend.Failed) > 0 {
		note(r, slog.String("blend_failed", strings.Join(a.Blend.Failed, " ")))
	}
	if a.facetsFailed != "" {
		note(r, slog.String("facets_failed", a.facetsFailed))
	}
	if a.rerankErr != nil {
		note(r, slog.String("error", a.rerankErr.Error()))
	}
}
