package api

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// knownHost is Options.CheckHost.
func (o Options) knownHost(next http.Handler) http.Handler {
	if !o.CheckHost {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !o.knows(r.Host) {
			fail(w, r, refuse(kindForbidden, "This server is not called "+shorten(r.Host)+": use its address, or name this host in the server's settings."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (o Options) knows(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return true
	}
	return slices.ContainsFunc(o.Hosts, func(known string) bool { return strings.EqualFold(known, host) })
}
