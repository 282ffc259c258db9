package main

import (
	"net/http"
	"net/http/pprof" // its place on the default mux is served by nobody
)

// profiles are Go's own, nil unless they are wanted. The router decides who may
// see them: a profile tells of queries, and making one takes time.
func profiles(wanted bool) http.Handler {
	if !wanted {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
