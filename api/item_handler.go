package api

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sightline/store"
	"sightline/store/change"
	"sightline/store/pictures"
)

// items are the routes below /v1/items/.
type items struct {
	engine   *Engine
	pictures *gallery
	searches *searches
	visible  visibility
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
	h.Set("Cache-Control", it.visible.checked())
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
	if len(entries) == 0 || !seesHidden(r) && it.engine.hides(entries[0].Item) {
		return store.Entry{}, errNoItem
	}
	return entries[0], nil
}

// image answers with the stored copy of a picture of the item, ?view=N for the
// N-th further one, ?width=W for one of that width. Its name is the hash of its
// bytes, which makes the ETag.
func (it *items) image(w http.ResponseWriter, r *http.Request, id string) {
	err := it.show(w, r, id)
	if errors.Is(err, pictures.ErrNotFound) {
		err = noPicture(err)
	}
	if err != nil {
		fail(w, r, fmt.Errorf("get picture: %w", err))
	}
}

func (it *items) show(w http.ResponseWriter, r *http.Request, id string) error {
	want, err := readWanted(r.URL.Query())
	if err != nil {
		return err
	}
	key, err := it.pictureOf(r, id, want.view)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", it.visible.held())
	h.Set("ETag", want.tag(key))
	if unchanged(w, r, want.tag(key)) {
		return nil
	}
	data, err := it.pictures.get(r.Context(), key, want.width)
	if err != nil {
		return err
	}
	media, err := contentType(data, key)
	if err != nil {
		return err
	}
	h.Set("Content-Type", media)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	return nil
}

// pictureOf is the key of a picture of an item.
func (it *items) pictureOf(r *http.Request, id string, n int) (string, error) {
	entry, err := it.entry(r, id)
	if err != nil {
		return "", err
	}
	view, ok := viewOf(entry, n)
	switch {
	case !ok:
		return "", refuse(kindNotFound, fmt.Sprintf("This item has no picture %d: view is 0 to %d.", n, len(entry.Views)))
	case view.Picture == "":
		return "", pictures.ErrNotFound
	}
	return view.Picture, nil
}

// viewOf is a picture of an entry: 0 the main one, n the n-th further one; false
// where it has not so many.
func viewOf(entry store.Entry, n int) (store.View, bool) {
	switch {
	case n == 0:
		return store.View{Picture: entry.Picture, Embedding: entry.Embedding}, true
	case n > len(entry.Views):
		return store.View{}, false
	}
	return entry.Views[n-1], true
}
