package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// deadlines is an answer over a connection whose deadlines can be moved.
type deadlines struct {
	*httptest.ResponseRecorder
	reads, writes []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error  { d.reads = append(d.reads, t); return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.writes = append(d.writes, t); return nil }

// A batch of lines may take longer than other requests, as long as it comes.
func TestLinesMayTakeTheirTime(t *testing.T) {
	s := newShop(t)
	var body strings.Builder
	for i := range 1100 {
		body.WriteString(lineOf(i))
	}
	body.WriteString(strings.Repeat("\n", 600<<10))
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	start := time.Now()
	s.handler().ServeHTTP(w, newRequest("POST", "/v1/items:batch", "application/x-ndjson", body.String()))
	if w.Code != 202 || len(w.reads) < 3 || len(w.writes) != 1 || w.writes[0].Before(start.Add(10*time.Minute)) {
		t.Fatalf("status %d, %d deadlines for reading, %v for writing: %s", w.Code, len(w.reads), w.writes, w.Body)
	}
	for _, d := range w.reads {
		if d.Before(start.Add(25*time.Second)) || d.After(time.Now().Add(35*time.Second)) {
			t.Errorf("deadline %s after the start", d.Sub(start))
		}
	}
}
