package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strconv"

	"sightline/encoder"
	"sightline/encoder/picture"
	"sightline/store"
	"sightline/store/pictures"
)

// kind is what went wrong, as a word that programs can rely on ("code").
type kind string

const (
	kindMalformed   kind = "malformed"
	kindInvalid     kind = "invalid"
	kindPicture     kind = "bad_picture"
	kindTooLarge    kind = "too_large"
	kindMediaType   kind = "media_type"
	kindNotFound    kind = "not_found"
	kindMethod      kind = "method"
	kindSlowBody    kind = "slow_body"
	kindBusy        kind = "busy"
	kindUnavailable kind = "unavailable"
	kindDeadline    kind = "deadline"
	kindCancelled   kind = "cancelled"
	kindFetch       kind = "fetch_failed"
	kindInternal    kind = "internal"

	// Of access.
	kindUnauthorized kind = "unauthorized"
	kindScope        kind = "insufficient_scope"
	kindLimited      kind = "rate_limited" // fail's caller has set Retry-After

	// Of writes.
	kindReadOnly     kind = "read_only"
	kindForbidden    kind = "forbidden"
	kindConflict     kind = "conflict"
	kindKeyReused    kind = "idempotency_key_reused"
	kindPrecondition kind = "precondition"
	kindFailed       kind = "failed"
	kindUnsupported  kind = "unsupported"
)

// statusClientClosed is nginx's number for a caller who left. Nobody receives
// it; it keeps such requests apart in the log.
const statusClientClosed = 499

// status is the one table from kind to HTTP status.
func (k kind) status() int {
	switch k {
	case kindMalformed:
		return http.StatusBadRequest
	case kindInvalid, kindPicture, kindKeyReused, kindFailed:
		return http.StatusUnprocessableEntity
	case kindTooLarge:
		return http.StatusRequestEntityTooLarge
	case kindMediaType:
		return http.StatusUnsupportedMediaType
	case kindUnauthorized:
		return http.StatusUnauthorized
	case kindReadOnly, kindForbidden, kindScope:
		return http.StatusForbidden
	case kindNotFound:
		return http.StatusNotFound
	case kindConflict:
		return http.StatusConflict
	case kindPrecondition:
		return http.StatusPreconditionFailed
	case kindUnsupported:
		return http.StatusNotImplemented
	case kindMethod:
		return http.StatusMethodNotAllowed
	case kindSlowBody:
		return http.StatusRequestTimeout
	case kindBusy, kindLimited:
		return http.StatusTooManyRequests
	case kindUnavailable:
		return http.StatusServiceUnavailable
	case kindFetch:
		return http.StatusBadGateway
	case kindDeadline:
		return http.StatusGatewayTimeout
	case kindCancelled:
		return statusClientClosed
	}
	return http.StatusInternalServerError
}

// turnedAway says that the caller was not let in, or came when there was no room.
func (k kind) turnedAway() bool {
	return k == kindUnauthorized || k == kindScope || k == kindLimited || k == kindBusy
}

// refusal is an error whose detail is written for the user; err, if any, is for the log.
type refusal struct {
	kind   kind
	detail string
	err    error
	fields []FieldProblem
	about  about
	why    string // for Options.Refused; the kind where empty
}

// about is what an error answer says besides its problem: of a write, and to
// Weaviate.
type about struct {
	Job     string `json:"job,omitempty"`     // what was queued all the same, or what failed
	Stage   string `json:"stage,omitempty"`   // where it failed
	Reason  string `json:"reason,omitempty"`  // why it failed
	Matches *int   `json:"matches,omitempty"` // items that a filter names
	Error   string `json:"error,omitempty"`   // everything once more, as one text
}

func refuse(k kind, detail string) error { return &refusal{kind: k, detail: detail} }

// refuseFor is refuse with a word that tells refusals of one kind apart.
func refuseFor(k kind, why, detail string) error { return &refusal{kind: k, detail: detail, why: why} }

func (r *refusal) Error() string {
	if r.err != nil {
		return r.detail + " (" + r.err.Error() + ")"
	}
	return r.detail
}

func (r *refusal) Unwrap() error { return r.err }

// problem is the body of every error answer: RFC 9457, with a code, the
// problems of single fields and the request's id as extensions.
type problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail"`
	Code      kind           `json:"code"`
	Errors    []FieldProblem `json:"errors,omitempty"`
	RequestID string         `json:"request_id,omitempty"`

	about
}

// explain turns an error into what its sender may know. Texts of errors that
// it does not recognise stay inside.
func explain(err error) (kind, string, []FieldProblem) {
	var ref *refusal
	var inv *Invalid
	var pic *picture.Error
	switch {
	case errors.As(err, &ref):
		return ref.kind, ref.detail, ref.fields
	case errors.As(err, &inv):
		return kindInvalid, "The request has problems; see errors.", inv.Fields
	case errors.As(err, &pic):
		return pictureKind(pic.Kind), "The picture cannot be used: " + pic.Msg + ".", []FieldProblem{{Field: "image", Detail: pic.Msg}}
	case errors.Is(err, errNoItem):
		return kindNotFound, "There is no indexed item with this id.", nil
	case errors.Is(err, ErrNoJob):
		return kindNotFound, "There is no job with this id. Those that ended well are forgotten after some days.", nil
	case errors.Is(err, ErrWriterFull):
		return kindUnavailable, "Too many changes wait already: try again in a while.", nil
	case errors.Is(err, ErrWriterAway):
		return kindUnavailable, "The queue of changes cannot be reached: try again in a moment.", nil
	case errors.Is(err, store.ErrUnavailable):
		return kindUnavailable, "The catalogue cannot be reached: try again in a moment.", nil
	case errors.Is(err, context.Canceled):
		return kindCancelled, "The request was cancelled.", nil
	case errors.Is(err, context.DeadlineExceeded):
		return kindDeadline, "The request did not finish in time: try again when there is less to do; a search may raise deadline_ms.", nil
	case errors.Is(err, pictures.ErrUnavailable):
		return kindUnavailable, "The store of pictures cannot be reached: try again in a moment.", nil
	case errors.Is(err, store.ErrClosed), errors.Is(err, encoder.ErrClosed):
		return kindUnavailable, "The service is shutting down.", nil
	case errors.Is(err, store.ErrFingerprint):
		return kindUnavailable, "The index was made with another model: import the catalogue again with the model in use.", nil
	}
	for _, known := range []func(error) (kind, string){bodyKind, authorKind} {
		if k, detail := known(err); k != "" {
			return k, detail, nil
		}
	}
	return kindInternal, "Something went wrong inside; the log has the details under this request id.", nil
}

func pictureKind(k picture.Kind) kind {
	switch k {
	case picture.KindTooLarge:
		return kindTooLarge
	case picture.KindUnsupported:
		return kindMediaType
	}
	return kindPicture
}

// bodyKind recognises what reading a body can meet besides bad content.
func bodyKind(err error) (kind, string) {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return kindTooLarge, "The body is larger than the limit of " + strconv.FormatInt(tooLarge.Limit, 10) + " bytes."
	case errors.Is(err, os.ErrDeadlineExceeded):
		return kindSlowBody, "The body did not arrive in time."
	}
	return "", ""
}

// retryAfter is how many seconds a refused caller should wait. A search takes
// about one.
func (k kind) retryAfter() string {
	switch k {
	case kindBusy:
		return "1"
	case kindUnavailable:
		return "5"
	}
	return ""
}

// fail answers with err as a problem, and logs what the answer does not say.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	k, detail, fields := explain(err)
	note(r, slog.String("problem", string(k)))
	if k == kindInternal || k == kindUnavailable {
		note(r, slog.String("error", err.Error()))
	}
	if wait := k.retryAfter(); wait != "" {
		w.Header().Set("Retry-After", wait)
	}
	title := http.StatusText(k.status())
	if k == kindCancelled {
		title = "Client Closed Request"
	}
	answer := problem{
		Type: "about:blank", Title: title, Status: k.status(), Detail: detail, Code: k, Errors: fields, RequestID: requestID(r),
	}
	why := string(k)
	var ref *refusal
	if errors.As(err, &ref) {
		answer.about, why = ref.about, cmp.Or(ref.why, why)
	}
	if t := traceOf(r); t.refused != nil && k.turnedAway() {
		t.refused(k.status(), why)
	}
	body, err := encodeJSON(answer)
	if err != nil { // strings and numbers always encode; kept so that a new field cannot fail in silence
		note(r, slog.String("error", err.Error()))
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Del("ETag")
	write(w, k.status(), "application/problem+json", body)
}
