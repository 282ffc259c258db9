package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"sightline/cmd/internal/clitest"
)

// picturesOf are the files of the samples by item.
func picturesOf(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(samples, "feed.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for line := range bytes.Lines(data) {
		var item struct{ ID, Image string }
		if err := json.Unmarshal(line, &item); err != nil {
			t.Fatal(err)
		}
		files[item.ID] = filepath.Join(samples, item.Image)
	}
	return files
}

func readPicture(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func inJSON(picture []byte) map[string]any {
	return map[string]any{"base64": base64.StdEncoding.EncodeToString(picture)}
}

// form uploads a picture with the fields of the flat form.
func (s *server) form(t *testing.T, picture []byte, fields map[string]string) answer {
	t.Helper()
	var body bytes.Buffer
	f := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := f.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	part, err := f.CreateFormFile("image", "query.png")
	if err == nil {
		_, err = io.Copy(part, bytes.NewReader(picture))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	req := s.request(t, http.MethodPost, "/v1/search", &body)
	req.Header.Set("Content-Type", f.FormDataContentType())
	var a answer
	if code := s.do(t, req, &a); code != http.StatusOK {
		t.Fatalf("%d\n%s", code, s.log)
	}
	return a
}

// TestPictureSearches: on the shipped small model, an uploaded picture of the
// catalogue and its stored patch states are read with titles alike, and as the
// title is read with the picture.
func TestPictureSearches(t *testing.T) {
	environ := clitest.Environ(t)
	s := serve(t, environ, "--data", data(t, environ, "auto"), "--model", model(t))
	const id, slow = "p0194", 30_000
	picture := readPicture(t, picturesOf(t)[id])

	upload := s.search(t, map[string]any{"image": inJSON(picture), "limit": 100, "deadline_ms": slow})
	if h := upload.Hits[0]; upload.Rerank.Scored != 50 || upload.Rerank.Stopped != "" || h.ITC < 0 || h.Logit == nil {
		t.Fatalf("rerank %+v, first %+v", upload.Rerank, h)
	}
	logits := map[string]float64{}
	for i, h := range upload.Hits {
		if (h.Logit != nil) != (i < 50) || h.Logit != nil && math.Abs(h.Score-h.ITC-*h.Logit) > 1e-5 {
			t.Fatalf("hit %d: %+v", i, h)
		}
		if h.Logit != nil {
			logits[h.ID] = *h.Logit
		}
	}
	titlesMatchTheirPicture(t, s, id, logits[id])

	stored := s.search(t, map[string]any{"image": map[string]any{"id": id}, "deadline_ms": slow, "limit": 40})
	n := 0
	for _, h := range stored.Hits {
		if want, ok := logits[h.ID]; ok && h.Logit != nil {
			n++
			if math.Abs(*h.Logit-want) > 1e-4 {
				t.Errorf("%s: %g by stored patch states, %g by upload", h.ID, *h.Logit, want)
			}
		}
		if h.ID == id {
			t.Error("the item is in its own answer")
		}
	}
	if n < 30 {
		t.Errorf("%d hits of both answers were read", n)
	}
}

// titlesMatchTheirPicture: the pair of a title and a picture has one logit,
// whichever of them is the query and in whatever batch.
func titlesMatchTheirPicture(t *testing.T, s *server, id string, want float64) {
	t.Helper()
	var item struct{ Title string }
	if code := s.get(t, "/v1/items/"+id, &item); code != http.StatusOK || item.Title == "" {
		t.Fatalf("%d %+v", code, item)
	}
	for _, h := range s.search(t, map[string]any{"text": item.Title, "deadline_ms": 30_000}).Hits {
		if h.ID == id {
			if h.Logit == nil || math.Abs(*h.Logit-want) > 1e-3 {
				t.Errorf("%q: %v by text, %g by picture", item.Title, h.Logit, want)
			}
			return
		}
	}
	t.Errorf("%q does not find its own picture", item.Title)
}

// TestComposedSearches: text beside a picture pulls towards the text as its
// share grows, and a negative text pushes away.
func TestComposedSearches(t *testing.T) {
	environ := clitest.Environ(t)
	s := serve(t, environ, "--data", data(t, environ, "auto"), "--model", model(t))
	trousers := readPicture(t, picturesOf(t)["p0194"])

	bottles := func(weight string) int {
		a := s.form(t, trousers, map[string]string{"text": "bottle", "image_weight": weight, "titles": "true", "limit": "10", "deadline_ms": "30000"})
		if a.Rerank.Scored != 50 || a.Rerank.Titles.Scored != 50 || a.Rerank.Read != "pictures" {
			t.Fatalf("rerank %+v", a.Rerank)
		}
		return among(a, "category", "bottle")
	}
	little, much := bottles("0.9"), bottles("0.1")
	t.Logf("the text bottle beside trousers: %d of 10 are bottles at a tenth of the weight, %d at nine tenths", little, much)
	if little >= much || much < 5 {
		t.Errorf("%d of 10 are bottles with little text, %d with much", little, much)
	}

	kinds, before, after := 0, 0, 0
	for _, kind := range []string{"bottle", "mug", "watch", "dress", "hat"} {
		for _, not := range [][2]string{{"color", "red"}, {"color", "blue"}, {"pattern", "striped"}, {"pattern", "dotted"}} {
			ask := map[string]any{"text": kind, "limit": 10, "deadline_ms": 30_000}
			before += among(s.search(t, ask), not[0], not[1])
			ask["negative"] = not[1] + " " + kind // this model never saw a colour alone
			a := s.search(t, ask)
			if a.Rerank.Scored != 50 || a.Rerank.Negative.Scored != 50 {
				t.Fatalf("rerank %+v", a.Rerank)
			}
			after += among(a, not[0], not[1])
			kinds += among(a, "category", kind)
		}
	}
	t.Logf("of 200 hits, %d are of the unwanted colour or pattern, %d when that is the negative text; %d are of the right type then", before, after, kinds)
	if 2*after > before || kinds < 140 {
		t.Errorf("%d of 200 hits are unwanted, %d with the negative text; %d of the right type", before, after, kinds)
	}
}

// among counts the hits with a value.
func among(a answer, field, value string) (n int) {
	for _, h := range a.Hits {
		if h.Item[field] == value {
			n++
		}
	}
	return n
}
