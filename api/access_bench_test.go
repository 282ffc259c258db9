package api_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"sightline/api"
	"sightline/api/access"
	"sightline/store/keys"
)

func BenchmarkAccess(b *testing.B) {
	d, err := keys.OpenDatabase(b.Context(), b.TempDir()+"/keys.db")
	if err != nil {
		b.Fatal(err)
	}
	_, secret, err := d.Create(b.Context(), keys.Wanted{Name: "shop", Scopes: keys.Search})
	if err != nil {
		b.Fatal(err)
	}
	ring, err := keys.OpenRing(b.Context(), d, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer ring.Close(b.Context())
	for name, a := range map[string]api.Access{
		"off": {}, "keys": {Keys: ring}, "keys and limits": {Keys: ring, Calls: access.Limits{PerSecond: 1e9, Burst: 1e6}},
	} {
		h := api.Guarded(a, keys.Search, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		r := httptest.NewRequest("GET", "/v1/search", nil)
		r.Header.Set("Authorization", "Bearer "+string(secret))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w := httptest.NewRecorder()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
			if w.Code != 200 {
				b.Fatal(w.Code)
			}
		})
	}
}
