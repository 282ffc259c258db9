package api

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sightline/encoder/picture"
	"sightline/store"
	"sightline/store/change"
	"sightline/store/pictures"
)

// items are the routes below /v1/items/.
type items struct {
	engine   *Engine
	pictures Pictures
	searches *searches
}

const itemsPath = "/v1/items/"

// get serves GET /v1/items/{id}, …/image and …/similar. Ids of a folder import
// contain slashes and come as %2F or plainly, so the path is cut by hand and
// while still escaped: an id that itself ends in "/image" is reachable as
// "%2Fimage".
func (it *items) get(w http.ResponseWriter, r *http.Request) {
	escaped, part := itemPath(r)
	serve := it.item
	switch part {
	case "/image":
		serve = it.image
	case "/similar":
		serve = it.searches.similar
	}
	id, err := url.PathUnescape(escaped)
	if err != nil || id == "" || textProblem(id, maxIDBytes) != "" {
		fail(w, r, errNoItem)
		return
	}
	serve(w, r, id)
}

// itemPath cuts the path of an item into its escaped id and what of the item is
// asked for.
func itemPath(r *http.Request) (escaped, part string) {
	escaped = strings.TrimPrefix(r.URL.EscapedPath(), itemsPath)
	for _, part := range []string{"/image", "/similar"} {
		if id, ok := strings.CutSuffix(escaped, part); ok {
			return id, part
		}
	}
	return escaped, ""
}

// item answers with the item itself, in the form in which PUT takes it. Its
// ETag is what If-Match of a write compares.
func (it *items) item(w http.ResponseWriter, r *http.Request, id string) {
	entry, err := it.entry(r, id)
	if err != nil {
		fail(w, r, err)
		return
	}
	body, err := encodeJSON(entry.Item)
	if err != nil {
		fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "private, no-cache")
	if entry.ContentHash != "" {
		h.Set("ETag", change.ETag(entry))
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func (it *items) entry(r *http.Request, id string) (store.Entry, error) {
	entries, err := it.engine.Index.Get(r.Context(), []string{id})
	if err != nil {
		return store.Entry{}, fmt.Errorf("get item: %w", err)
	}
	if len(entries) == 0 {
		return store.Entry{}, errNoItem
	}
	return entries[0], nil
}

// image answers with the stored copy of the item's picture. Its name is the
// hash of its bytes, which makes the ETag; the item may get another picture at
// any time, so a browser asks again after five minutes.
func (it *items) image(w http.ResponseWriter, r *http.Request, id string) {
	entry, err := it.entry(r, id)
	if err == nil && entry.Picture == "" {
		err = pictures.ErrNotFound
	}
	var data []byte
	if err == nil {
		data, err = it.pictures.Get(r.Context(), entry.Picture)
	}
	if errors.Is(err, pictures.ErrNotFound) {
		fail(w, r, &refusal{kind: kindNotFound, detail: "There is no stored picture of this item.", err: err})
		return
	}
	if err != nil {
		fail(w, r, fmt.Errorf("get picture: %w", err))
		return
	}
	format, ok := picture.Sniff(data)
	if !ok {
		fail(w, r, fmt.Errorf("stored picture %s is no JPEG, PNG or WebP", entry.Picture))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "image/"+string(format))
	h.Set("Cache-Control", "private, max-age=300")
	h.Set("ETag", `"`+entry.Picture+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}
