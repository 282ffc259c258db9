package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sightline/api"
)

// send makes one request; headers come as pairs.
func (s *shop) send(method, target, contentType, body string, headers ...string) *httptest.ResponseRecorder {
	return send(s.handler(), method, target, contentType, strings.NewReader(body), headers...)
}

func send(h http.Handler, method, target, contentType string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, body)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("X-Request-Id", "test-1")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return record(h, r)
}

func record(h http.Handler, r *http.Request) *httptest.ResponseRecorder { return observed(h, r) }

func (s *shop) json(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	return s.send(method, target, "application/json", body, headers...)
}

// answer is what writing requests and job routes answer.
type answer struct {
	ID, Job, State, Outcome string
	Accepted, Rejected      int
	Retried                 *int
	Counts                  api.JobCounts
	LeftOut                 int `json:"problems_left_out"`
	Problems                []struct {
		Line   int
		At, ID string
		Errors []api.FieldProblem
	}
	Items []struct {
		Job, ID, Op, State, Outcome, Stage, Reason, Group, Title string
		Attempt                                                  int
	}
	Next string
}

func read(t testing.TB, w *httptest.ResponseRecorder, status int) answer {
	t.Helper()
	var a answer
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return a
}

// refused checks an error answer and returns its problems in one line.
func refused(t *testing.T, w *httptest.ResponseRecorder, status int, code string) string {
	t.Helper()
	var p struct {
		Status       int
		Code, Detail string
		Errors       []api.FieldProblem
		Job, Stage   string
		Reason       string
		Matches      *int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != status || p.Status != status || p.Code != code || p.Detail == "" {
		t.Fatalf("status %d, want %d %s: %s (%v)", w.Code, status, code, w.Body, err)
	}
	var text strings.Builder
	text.WriteString(p.Detail)
	for _, f := range p.Errors {
		text.WriteString("; " + f.Field + " " + f.Detail)
	}
	if p.Matches != nil {
		fmt.Fprintf(&text, "; matches %d", *p.Matches)
	}
	return text.String()
}

// parts makes a form; a name that begins with "image" is a file.
func parts(t *testing.T, pairs ...string) (contentType, body string) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for i := 0; i+1 < len(pairs); i += 2 {
		var part io.Writer
		var err error
		if strings.HasPrefix(pairs[i], "image") {
			part, err = w.CreateFormFile(pairs[i], "a.png")
		} else {
			part, err = w.CreateFormField(pairs[i])
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), buf.String()
}

func keyOf(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

func newLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
