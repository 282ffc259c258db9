package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
)

// Evaluations are the kept reports of ranking quality that searchd eval made.
// Implementations are safe for concurrent use, and bound what they give.
type Evaluations interface {
	// List tells of the kept reports, the newest first.
	List(ctx context.Context) ([]Evaluation, error)
	// Get gives one report as JSON, and ErrNoEvaluation for a name that List does
	// not have, whatever its characters.
	Get(ctx context.Context, name string) ([]byte, error)
}

// Evaluation tells of a kept report.
type Evaluation struct {
	Name    string    `json:"name"` // what Get takes
	Time    time.Time `json:"time"` // when it ended
	Model   string    `json:"model"`
	Items   int       `json:"items"` // in the catalogue at that time
	Queries int       `json:"queries"`
	File    string    `json:"file"` // name of the file of queries, without its folder
}

// ErrNoEvaluation means that no report has this name.
var ErrNoEvaluation = errors.New("there is no evaluation of this name")

const evaluationsPath = "/v1/evaluations"

// evaluations serves what is kept. Both routes only read.
type evaluations struct{ kept Evaluations }

func (e evaluations) routes(r chi.Router) {
	r.Get(evaluationsPath, e.list)
	r.Get(evaluationsPath+"/{name}", e.get)
}

type evaluationList struct {
	Evaluations []Evaluation `json:"evaluations"`
}

// list serves GET /v1/evaluations.
func (e evaluations) list(w http.ResponseWriter, r *http.Request) {
	all := evaluationList{Evaluations: []Evaluation{}}
	err := noParameters(r)
	if err == nil && e.kept != nil {
		var kept []Evaluation
		kept, err = e.kept.List(r.Context())
		all.Evaluations = append(all.Evaluations, kept...)
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	respond(w, r, all)
}

// get serves GET /v1/evaluations/{name}.
func (e evaluations) get(w http.ResponseWriter, r *http.Request) {
	err := noParameters(r)
	var body []byte
	switch {
	case err == nil && e.kept == nil:
		err = ErrNoEvaluation
	case err == nil:
		body, err = e.kept.Get(r.Context(), chi.URLParam(r, "name"))
	}
	switch {
	case errors.Is(err, ErrNoEvaluation):
		fail(w, r, refuse(kindNotFound, "There is no evaluation of this name: GET "+evaluationsPath+" lists them."))
	case err != nil:
		fail(w, r, err)
	default:
		write(w, http.StatusOK, "application/json", body)
	}
}

func noParameters(r *http.Request) error {
	var wrong Invalid
	return errors.Join(readValues(r.URL.RawQuery, nil, &wrong), wrong.err())
}
