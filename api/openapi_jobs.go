package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sightline/api/openapi"
)

const (
	changesExample  = `{"items": [{"id": "p0001", "title": "red shoe", "image": "https://shop.example/p0001.jpg"}], "patches": [{"id": "p0002", "price": 39.9}], "deletes": ["p0003"]}`
	linesExample    = `{"id": "p0001", "title": "red shoe", "image": "https://shop.example/p0001.jpg"}` + "\n" + `{"id": "p0002", "title": "blue shoe", "image": "https://shop.example/p0002.jpg"}` + "\n"
	batchExampleOut = `{"job": "p-3gpk3jknkfjvyzxhtxhcqknygr", "state": "waiting", "accepted": 2, "rejected": 1,
 "problems": [{"at": "items[0]", "id": "p0001", "errors": [{"field": "image", "detail": "is missing"}]}]}`
	batchDoneExample = `{"job": "p-3gpk3jknkfjvyzxhtxhcqknygr", "state": "done", "accepted": 2, "counts": {"waiting": 0, "leased": 0, "done": 2, "superseded": 0, "dead": 0}, "rejected": 0}`
	itemJobExample   = `{"job": "01K0", "id": "p0001", "group": "p-3gpk3jknkfjvyzxhtxhcqknygr", "op": "put", "state": "dead", "stage": "fetch", "reason": "404", "attempt": 5, "changed_at": "2026-11-26T14:45:14.123Z"}`
	jobsExample      = `{"items": [` + itemJobExample + `], "next": "01K0"}`
	jobExample       = `{"id": "p-3gpk3jknkfjvyzxhtxhcqknygr", "state": "failed", "counts": {"waiting": 0, "leased": 0, "done": 1, "superseded": 0, "dead": 1},
 "created_at": "2026-11-26T14:45:12Z", "items": [` + itemJobExample + `]}`
	progressExample = "event: progress\n" + `data: {"id":"p-3gpk3jknkfjvyzxhtxhcqknygr","state":"running","counts":{"waiting":1,"leased":1,"done":40,"superseded":0,"dead":0}}` + "\n\n"
	eventExample    = `{"seq":1042,"time":"2026-11-26T14:45:14.123Z","job":"01K0","item":"p0001","group":"p-3gpk3jknkfjvyzxhtxhcqknygr","state":"done","attempt":1,"outcome":"written"}` + "\n"
)

// batchRoutes are those that change many items.
func (b *book) batchRoutes() {
	done := asJSONForm(b.made(batchAnswer{}, accepted{}), batchDoneExample)
	queued := asJSONForm(b.made(batchAnswer{}), batchExampleOut)
	b.made(rejected{}, place{})
	b.add("POST /v1/items:batch", "batch", "Writing", "Change many items",
		"JSON: up to 1000 changes and 8 MB; good ones are taken although others are not. NDJSON: one item a line, up to 100,000 lines and 100 MB, queued while they come; Idempotency-Key and atomic are not for it.").
		writing().withBody().params("Prefer", "IdempotencyKey").
		query(openapi.Props{
			"atomic": openapi.Default(openapi.Flag("One bad change refuses all."), false),
			"as_of":  {Type: huma.TypeString, Format: "date-time", Description: "Items without a version are of a feed of that time."},
		}).
		body("application/json", openapi.Ref("Changes"), changesExample).
		body(ndjson, openapi.Ref("PutItem"), linesExample).
		answers(http.StatusOK, "All changes have come to an end, or none was taken.", done, waited()...).
		answers(http.StatusAccepted, "Queued: Location is the job.", queued, append(waited(), "Location!")...)
	b.add("POST /v1/items:delete", "deleteItems", "Writing", "Delete many items",
		"Up to 10,000 ids, or what a filter names. Without expect or confirm a filter is answered 409 with the number of items.").
		writing().withBody().params("Prefer", "IdempotencyKey").
		body("application/json", openapi.Ref("Deletion"), `{"ids": ["p0001", "p0002"]}`, `{"filter": {"brand": "acme"}, "expect": 12}`).
		answers(http.StatusOK, "All deletions have come to an end, or the filter names nothing.", done, waited()...).
		answers(http.StatusAccepted, "Queued: Location is the job.", queued, append(waited(), "Location!")...)
}

// jobRoutes are those that tell what became of changes.
func (b *book) jobRoutes() {
	page := openapi.Props{
		"state": openapi.OneOf("Only jobs in this state; failed is dead.", append(jobStates(), "failed")...),
		"after": openapi.Text("The last job of the page before.", maxJobID), "limit": pageLimit(),
	}
	reading := func(at, id, summary, about string) *route {
		return b.add(at, id, "Jobs", summary, about).guarded("write").refuses(http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusGatewayTimeout)
	}
	reading("GET /v1/jobs", "listJobs", "List the jobs of items", "Of all requests, and of webhooks.").
		query(page).answers(http.StatusOK, "A page.", asJSONForm(b.made(jobPage{}), jobsExample))
	reading("GET /v1/jobs/{id}", "getJob", "How a request stands", "Jobs that ended well are forgotten after some days.").
		refuses(http.StatusNotFound).params("JobID").query(page).
		answers(http.StatusOK, "The job, and those of its items.", asJSONForm(b.made(jobAnswer{}, jobPage{}), jobExample))
	reading("POST /v1/jobs/{id}:retry", "retryJob", "Try again", "Lets what is dead wait again: of a request, or one item's job.").
		refuses(http.StatusNotFound).params("JobID").
		answers(http.StatusOK, "How many wait again.", asJSONForm(b.made(retryAnswer{}), `{"job": "p-3gpk3jknkfjvyzxhtxhcqknygr", "retried": 2}`))
	b.liveRoutes(reading)
}

// liveRoutes are those of state changes, kept and live.
func (b *book) liveRoutes(reading func(at, id, summary, about string) *route) {
	event := b.made(JobEvent{})
	after := func() openapi.Props {
		return openapi.Props{"after": {
			Type: huma.TypeInteger, Minimum: new(float64), Default: 0, Description: "Only later ones than this seq.",
		}}
	}
	stream := func(s *huma.Schema, example string) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{eventStream: content(eventStream, s, example)}
	}
	reading("GET /v1/events", "events", "State changes", "The kept ones, oldest first, up to the newest; go on with the last seq.").
		query(after()).
		answers(http.StatusOK, "A JobEvent a line.", map[string]*huma.MediaType{ndjson: content(ndjson, event, eventExample)})
	reading("GET /v1/jobs/events", "liveEvents", "State changes, live", "What /v1/events has, as server-sent events, and what comes after it. The stream ends after a while; browsers come again by themselves.").
		params("LastEventID").query(after()).query(openapi.Props{"from": {
		Type: huma.TypeString, Enum: []any{fromStart, fromLatest}, Description: "Begin with the oldest change that is kept, or with what is still to come. Instead of after; Last-Event-ID goes before both.",
	}}).
		answers(http.StatusOK, "A JobEvent an event; its id is the seq.", stream(event, "data: "+eventExample+"\n"))
	reading("GET /v1/jobs/{id}/events", "liveJob", "How a request stands, live", "As server-sent events: progress whenever the numbers have changed, and end when all has ended.").
		refuses(http.StatusNotFound).params("JobID").
		answers(http.StatusOK, "A Progress an event.", stream(b.made(progress{}), progressExample))
}
