package api

import (
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"sightline/api/openapi"
	"sightline/store"
)

const (
	itemAnswer     = `{"id": "p0001", "title": "red shoe with white sole", "price": 49.9, "currency": "EUR", "attributes": {"pattern": "striped"}}`
	itemsExample   = `{"items": [` + itemAnswer + `], "next": "p0001"}`
	putExample     = `{"title": "red shoe", "price": 49.9, "currency": "EUR", "image": "https://shop.example/p0001.jpg", "pattern": "striped"}`
	mergeExample   = `{"price": 39.9, "pattern": null}`
	writtenExample = `{"id": "p0001", "outcome": "written", "job": "p-3gpk3jknkfjvyzxhtxhcqknygr"}`
	createdExample = `{"id": "p0001", "outcome": "created", "job": "p-3gpk3jknkfjvyzxhtxhcqknygr"}`
	queuedExample  = `{"id": "p0001", "job": "p-3gpk3jknkfjvyzxhtxhcqknygr", "state": "waiting"}`
)

// itemRoutes are those that read the catalogue.
func (b *book) itemRoutes() {
	item := b.made(store.Item{})
	list := asJSONForm(&huma.Schema{AnyOf: []*huma.Schema{b.made(itemList{}), b.made(jobPage{})}}, itemsExample)
	list[ndjson] = content(ndjson, openapi.Ref("Item"), itemAnswer+"\n")
	b.add("GET /v1/items", "listItems", "Items", "List the catalogue",
		"In the order of ids; next of the answer goes into after. With Accept: application/x-ndjson all items, one a line, without limit. With state=failed the items whose last change could not be done.").
		guarded("search", "write").refuses(http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusNotImplemented, http.StatusGatewayTimeout).
		query(openapi.Props{
			"filter": flatSearch()["filter"], "after": openapi.Text("The last id of the page before.", maxJobID),
			"limit": pageLimit(), "state": openapi.OneOf("Failed changes in place of items.", "failed"),
		}).
		answers(http.StatusOK, "A page, or everything.", list)

	b.add("GET /v1/items/{id}", "getItem", "Items", "Get an item", "In the form in which PUT takes it.").
		guarded("search", "write").refuses(http.StatusNotFound, http.StatusGatewayTimeout).
		params("ItemID", "IfNoneMatch").
		answers(http.StatusOK, "The item.", asJSONForm(item, itemAnswer), "ETag").
		answers(http.StatusNotModified, "The caller has it already.", nil, "ETag")

	picture := func(about string) map[string]*huma.MediaType {
		forms := map[string]*huma.MediaType{}
		for _, media := range []string{"image/jpeg", "image/png", "image/webp"} {
			forms[media] = &huma.MediaType{Schema: openapi.File(about)}
		}
		return forms
	}
	b.add("GET /v1/items/{id}/image", "getPicture", "Items", "Get a picture of an item", "The stored copy, or with width one that is made smaller: a JPEG, or a PNG where it is transparent. Nothing is enlarged.").
		guarded("search", "write").refuses(http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusGatewayTimeout).
		params("ItemID", "IfNoneMatch").
		query(openapi.Props{
			"view":  {Type: huma.TypeInteger, Minimum: new(float64), Default: 0, Description: "0 the main picture, n the n-th further one."},
			"width": openapi.Whole("Pixels, rounded up to one of a few widths.", 1, slices.Max(widths())),
		}).
		answers(http.StatusOK, "The picture.", picture("The picture's bytes."), "ETag").
		answers(http.StatusPartialContent, "A part of it, as Range asks.", picture("Some of the bytes."), "ETag", "Content-Range").
		answers(http.StatusNotModified, "The caller has it already.", nil, "ETag")
}

// pageLimit is the length of a page.
func pageLimit() *huma.Schema {
	return openapi.Default(openapi.Whole("Length of a page.", 1, maxJobs), jobsLimit)
}

// writing is what all changes can be refused for.
func (r *route) writing() *route {
	return r.guarded("write").refuses(http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusConflict, http.StatusNotImplemented, http.StatusGatewayTimeout)
}

// withBody is what reading a body can fail for.
func (r *route) withBody() *route {
	return r.refuses(http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusRequestTimeout)
}

// queued adds the answers of a change of one item.
func (r *route) queued() *route {
	b := r.book
	return r.params("ItemID", "IfMatch", "Prefer", "IdempotencyKey").refuses(http.StatusNotFound, http.StatusPreconditionFailed).
		answers(http.StatusOK, "Done.", asJSONForm(b.made(written{}), writtenExample), waited()...).
		answers(http.StatusAccepted, "Queued: Location is the job.", asJSONForm(b.made(accepted{}), queuedExample), append(waited(), "Location!")...)
}

func waited() []string { return []string{"Preference-Applied", "Idempotent-Replayed"} }

// writeRoutes are those that change one item.
func (b *book) writeRoutes() {
	form := func(part, schema string) *huma.Schema {
		return openapi.Object("The item's JSON and its pictures, up to 32 MiB.", openapi.Props{
			part:     openapi.Ref(schema),
			"image":  openapi.File("The main picture, up to 10 MiB."),
			"images": openapi.List("Further pictures.", openapi.File(""), store.MaxViews),
		})
	}
	b.add("PUT /v1/items/{id}", "putItem", "Writing", "Put an item", "Replaces the whole item. Every problem is reported at once, and nothing is done then.").
		writing().withBody().queued().
		body("application/json", openapi.Ref("PutItem"), putExample).
		body("multipart/form-data", form("item", "PutItem")).
		answers(http.StatusCreated, "Done; the item is new.", asJSONForm(b.made(written{}), createdExample), append(waited(), "Location!")...)
	b.add("PATCH /v1/items/{id}", "patchItem", "Writing", "Change an item", "A JSON merge patch. Uploaded pictures replace all pictures of the item.").
		writing().withBody().queued().
		body("application/merge-patch+json", openapi.Ref("Patch"), mergeExample).
		body("application/json", openapi.Ref("Patch"), mergeExample).
		body("multipart/form-data", form("patch", "Patch"))
	b.add("DELETE /v1/items/{id}", "deleteItem", "Writing", "Delete an item", "The outcome is deleted, or missing where there was nothing.").
		writing().queued()
}
