package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"

	"sightline/encoder/picture"
	"sightline/store"
	"sightline/store/change"
)

// writes are the routes that list and change the catalogue, and those of the
// jobs that do the changes.
type writes struct {
	engine    *Engine
	catalogue *Catalogue
	uploads   slots // bodies that are read
	decoding  slots // pictures that are looked at
	waiting   slots // callers who wait for an outcome
	exports   slots // lists that are streamed
	pages     slots // pages of items
	watching  slots // live streams
}

// Lists at once; each holds a page of items with their vectors.
const (
	maxExports = 4
	maxPages   = 8
)

func newWrites(o Options, uploads slots) *writes {
	return &writes{
		engine: o.Engine, catalogue: o.Catalogue, uploads: uploads, decoding: make(slots, o.MaxUploads),
		waiting: make(slots, o.MaxWaiting), exports: make(slots, maxExports), pages: make(slots, maxPages), watching: make(slots, maxLive),
	}
}

func (s *writes) routes(r chi.Router) {
	r.Use(s.writable)
	r.Put(itemsPath+"*", s.item(change.Put))
	r.Patch(itemsPath+"*", s.item(change.Patch))
	r.Delete(itemsPath+"*", s.item(change.Delete))
	r.Post("/v1/items:batch", s.batch)
	r.Post("/v1/items:delete", s.deletions)
	r.Get("/v1/jobs", s.jobs)
	r.Get(jobsPath+"events", s.liveEvents)
	r.Get(jobsPath+"*", s.job)
	r.Post(jobsPath+"*", s.retry)
	r.Get("/v1/events", s.events)
}

func (s *writes) writable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.catalogue.Writer == nil {
			fail(w, r, refuse(kindReadOnly, "This server takes no writes, and so has no jobs: send them to one that does, or import a feed with indexd import."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// item serves PUT, PATCH and DELETE of /v1/items/{id}.
func (s *writes) item(op change.Op) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := call{w: w, r: r}
		d, err := s.prepare(r.Context(), &c, op)
		if err != nil {
			switch k, _, _ := explain(err); {
			case k == kindMediaType && op == change.Patch:
				w.Header().Set("Accept-Patch", "application/merge-patch+json, application/json, multipart/form-data")
			case k == kindMethod:
				w.Header().Set("Allow", http.MethodGet)
			}
			fail(w, r, err)
			return
		}
		out, err := s.sendAll(r.Context(), c.order, []draft{d})
		if err != nil {
			fail(w, r, err)
			return
		}
		limit := defaultWait
		if d.fetches() {
			limit = 0
		}
		s.answerOne(r.Context(), c, out, d.change.ID, s.outcome(r.Context(), c, out, limit))
	}
}

// prepare reads a request for one item and stores its pictures.
func (s *writes) prepare(ctx context.Context, c *call, op change.Op) (draft, error) {
	var wrong Invalid
	id, err := writtenID(c.r)
	if err != nil {
		return draft{}, err
	}
	if c.order, err = readOrder(c.r, op, true, &wrong); err != nil {
		return draft{}, err
	}
	if err := readValues(c.r.URL.RawQuery, nil, &wrong); err != nil {
		return draft{}, err
	}
	give, err := s.uploads.room(c.r)
	if err != nil {
		return draft{}, err
	}
	defer give()
	d, err := s.read(*c, target{op, id}, &wrong)
	if err != nil {
		return d, err
	}
	d.change.IfMatch = c.order.ifMatch
	if err := s.inspect(ctx, d, &wrong); err != nil {
		return d, err
	}
	if err := wrong.err(); err != nil {
		return d, err
	}
	return d, s.keep(ctx, &d)
}

// writtenID is the id that a writing request's path names.
func writtenID(r *http.Request) (string, error) {
	escaped, part := itemPath(r)
	if part != "" {
		return "", refuse(kindMethod, "What stands below an item is read only: an id that ends in "+part+" is written with %2F for its slash.")
	}
	id, err := url.PathUnescape(escaped)
	if err != nil {
		return "", refuse(kindMalformed, "The address has a broken percent escape.")
	}
	return id, idProblem(id)
}

// idProblem says what store.Item says of an id.
func idProblem(id string) error {
	var wrong Invalid
	takeProblems(store.Item{ID: id}.Validate(), &wrong)
	return wrong.err()
}

func (s *writes) read(c call, about target, wrong *Invalid) (draft, error) {
	if about.op == change.Delete {
		if c.r.ContentLength != 0 {
			return draft{}, refuse(kindMalformed, "DELETE takes no body.")
		}
		return draft{change: change.Change{Op: about.op, ID: about.id}}, nil
	}
	media, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	switch {
	case err == nil && (media == "application/json" || about.op == change.Patch && media == "application/merge-patch+json"):
		body, err := readBody(c.w, c.r, maxJSONBody)
		if err != nil {
			return draft{}, bodyError(err)
		}
		return decodeOne(body, about, files{}, wrong)
	case err == nil && media == "multipart/form-data" && params["boundary"] != "":
		return decodeWriteForm(newForm(http.MaxBytesReader(c.w, c.r.Body, maxWriteForm), params["boundary"]), about, wrong)
	}
	return draft{}, refuse(kindMediaType, "Send the item as JSON with Content-Type: application/json, or with its pictures as a form with Content-Type: multipart/form-data and its boundary.")
}

// inspect looks at uploaded pictures as a search by picture does, so that a bad
// one is refused while somebody is there to hear it.
func (s *writes) inspect(ctx context.Context, d draft, wrong *Invalid) error {
	for _, im := range d.images {
		if im.data == nil {
			continue
		}
		if s.catalogue.Uploads == nil {
			return refuse(kindUnsupported, "This server stores no uploads: give the pictures' addresses.")
		}
		err := s.look(ctx, im.data)
		var bad *picture.Error
		switch {
		case errors.As(err, &bad):
			wrong.add(im.field, "cannot be used: %s", bad.Msg)
		case err != nil:
			return fmt.Errorf("look at uploaded picture: %w", err)
		}
	}
	return nil
}

// look decodes a picture. A small one can be large when it is decoded, so those
// who do this at once are counted, and the others wait for them.
func (s *writes) look(ctx context.Context, data []byte) error {
	give, err := s.decoding.await(ctx)
	if err != nil {
		return err
	}
	defer give()
	_, err = s.engine.Images.Pixels(data)
	return err
}

// keep stores uploaded pictures. Where the change is not queued afterwards they
// stay: they are named by their content, and the next try finds them.
func (s *writes) keep(ctx context.Context, d *draft) error {
	for i, im := range d.images {
		if im.data == nil {
			continue
		}
		key, err := s.catalogue.Uploads.Put(ctx, im.data)
		switch {
		case errors.Is(err, store.ErrNoSpace):
			return &refusal{kind: kindUnavailable, detail: "There is no space left for pictures.", err: err}
		case err != nil:
			return fmt.Errorf("store uploaded picture: %w", err)
		}
		d.images[i].key = key
	}
	d.change.Images = d.list()
	return nil
}

// outcome waits as long as the caller wants, or for limit where it does not say.
func (s *writes) outcome(ctx context.Context, c call, out *sender, limit time.Duration) JobCounts {
	if c.order.wait != nil {
		limit = *c.order.wait
		c.w.Header().Set("Preference-Applied", c.order.applied)
	}
	if out.replayed {
		c.w.Header().Set("Idempotent-Replayed", "true")
	}
	note(c.r, slog.String("job", out.ticket.group))
	note(c.r, slog.Int("changes", out.sent))
	return s.wait(ctx, out.ticket.group, limit)
}
