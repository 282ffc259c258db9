// Package api is Sightline's REST interface and its search pipeline.
//
// A query's way:
//
//	request -> decode.go, form.go   strict; all problems of a request at once (rules.go: boosts, buries, pins)
//	        -> search.go Search     validate, encode (encode.go), candidates, second look (look.go), order
//	                                where more than BLIP's sum makes it (ordering.go), page
//	        -> search_handler.go    hits, stage times, or a problem (error.go)
//
// What engines and clients of others call (rerank_request.go, rerank.go,
// rerank_handler.go, match.go, embeddings.go, weaviate.go) goes through pairs.go: pictures gathered (visual.go,
// fetching.go), encoded, and read by the same second look.
//
// A write's way:
//
//	request -> order.go                 headers: Idempotency-Key, If-Match, Prefer
//	        -> draft.go, patch.go       one item or patch, strict; write_form.go, batch.go and
//	           ndjson.go, deletions.go  where it comes as a form or beside others
//	        -> writes.go                uploaded pictures looked at and stored
//	        -> sender.go                queued through a Writer, and waited for
//	        -> write_answer.go          outcome, job or problem
//
// Nothing is queued or stored before a request is whole and without a problem;
// only lines of NDJSON are queued while they come. The workers that do the
// changes are not here: a Writer leads to them.
//
// router.go shows every route and middleware on one screen. search.go knows
// nothing of HTTP, so that an evaluation can call the same pipeline. The
// decision to answer without (all of) the second look is taken in look.go and
// nowhere else.
package api
