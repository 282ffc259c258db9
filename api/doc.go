// Package api is Sightline's REST interface and its search pipeline.
//
// A query's way:
//
//	request -> decode.go, form.go   strict; all problems of a request at once
//	        -> search.go Search     validate, encode, candidates, second look, page
//	        -> search_handler.go    hits, stage times, or a problem (error.go)
//
// router.go shows every route and middleware on one screen. search.go knows
// nothing of HTTP, so that an evaluation can call the same pipeline. The
// decision to answer without (all of) the second look is taken there and
// nowhere else.
package api
