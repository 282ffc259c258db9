package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkDescribe makes both documents anew, as the first request for one does.
func BenchmarkDescribe(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		newDocs().JSON(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
