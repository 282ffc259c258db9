package api

import (
	"net/http"

	"sightline/store/keys"
)

// Guarded is the part of the router that knows callers, in front of a handler.
func Guarded(a Access, scopes keys.Scopes, h http.Handler) http.Handler {
	g := newGuard(a)
	return identify(g.Proxies, nil)(g.need(scopes)(h))
}
