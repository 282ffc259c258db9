// Package fetch reads pictures and feeds from http and https addresses that
// strangers wrote: rows of a feed, query pictures of API callers. It asks only
// public addresses (checked at every connect, so that neither redirects nor
// changing DNS answers lead inside), bounds everything a server may send, and
// spares the servers: a few requests at a time for each host, taken in turn
// over hosts, with back-off and a breaker.
//
// It stands under store because what it fetches becomes the catalogue's
// pictures, and because both sides need it, which meet in store only: indexer
// for feeds and their pictures, api for query pictures. It imports nothing of
// ours.
package fetch
