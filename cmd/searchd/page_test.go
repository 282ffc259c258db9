package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"sightline/cmd/internal/clitest"
	"sightline/encoder/encodertest"
	"sightline/web/browsertest"
)

// TestPageOverTheRealAPI goes once through the page with everything behind it:
// the page's other tests answer it themselves (package web). What it shows must
// be what the API says.
func TestPageOverTheRealAPI(t *testing.T) {
	environ := clitest.Environ(t)
	b := browsertest.Start(t, encodertest.Missing)
	s := serve(t, environ, "--model", model(t), "--data", data(t, environ, "auto"), "--read-only")
	const text = "red shoe with white sole"
	first := func(rerank bool) string {
		return s.search(t, map[string]any{"text": text, "limit": 50, "rerank": map[string]any{"enabled": rerank}, "deadline_ms": 30000}).Hits[0].ID
	}
	pixels, words := first(false), first(true)

	p := b.Open(t, s.url, browsertest.Look{Expect: "40"}) // a server that takes no writes says 403 to the view of jobs
	p.Wait(`document.querySelectorAll('#shelf img').length > 3`)
	p.Type("#q", text)
	shown := `document.body.dataset.view === 'hits' && document.querySelector('.card').dataset.id`
	p.Wait(fmt.Sprintf("%s === %q && location.search.includes('sole')", shown, words))
	p.Wait(`document.querySelector('.card img').naturalWidth > 0`)
	p.Click("#order label:first-of-type")
	p.Wait(fmt.Sprintf("%s === %q", shown, pixels))
	p.Click(".card .open")
	p.Wait(`document.querySelectorAll('.word').length === 5 && document.querySelectorAll('#alike img').length > 3`)
	p.Click(".word[data-index='1']")
	p.Wait(`!document.getElementById('heat').hidden`)
	p.Click("#why-close")

	p.Type("#less", "black") // with filters and a picture beside it: all that a search can have
	p.Wait(`location.search.includes('less=black') && document.body.dataset.view === 'hits'`)
	p.Click("[data-field=category] input")
	p.Wait(`location.search.includes('category=') && document.body.dataset.view === 'hits'`)
	file, err := filepath.Abs(filepath.Join(samples, "pictures", "p0001.png"))
	if err != nil {
		t.Fatal(err)
	}
	p.Upload("#file", file)
	p.Wait(`!document.getElementById('composer').hidden && document.body.dataset.view === 'hits'`)
	p.Click("#to-admin")
	p.Wait(`document.getElementById('health').innerText.includes('240')`)
}
