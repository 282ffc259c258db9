package main

import (
	"path/filepath"
	"testing"

	"sightline/cmd/internal/clitest"
	"sightline/encoder/encodertest"
	"sightline/web/browsertest"
)

// TestDocsPage: the page shows every operation of the document, finds one, shows
// how to call it, and calls it, with nothing from elsewhere and without offending
// its own policy.
func TestDocsPage(t *testing.T) {
	environ := clitest.Environ(t)
	b := browsertest.Start(t, encodertest.Missing)
	s := serve(t, environ, "--data", filepath.Join(t.TempDir(), "data"), "--model", model(t))
	p := b.Open(t, s.url+"/docs", browsertest.Look{})
	p.Wait(`document.querySelectorAll('details.op').length > 25`)
	p.Type("#find", "diversity")
	p.Wait(`[...document.querySelectorAll('details.op')].filter((o) => !o.hidden).length < 6 && !document.getElementById('searchBody').hidden`)
	p.Eval(`document.getElementById('find').value = ''; document.getElementById('find').dispatchEvent(new Event('input'))`)
	p.Wait(`document.getElementById('count').textContent.startsWith(document.querySelectorAll('details.op').length + ' ')`)
	p.Click("#list a[href='#search']")
	p.Wait(`document.getElementById('search').open && document.getElementById('search').innerText.includes('curl')`)
	p.Click("#list a[href='#alive']")
	p.Wait(`document.getElementById('alive').open`)
	p.Click("#alive > div > details:last-child > summary")
	p.Click("#alive form button")
	p.Wait(`document.querySelector('#alive form').innerText.includes('"status": "alive"')`)
	p.Eval(browsertest.Axe(t, encodertest.Missing) + "; typeof axe")
	if found := p.Eval(`axe.run(document, {resultTypes: ['violations']}).then((r) => JSON.stringify(r.violations.filter((v) =>
		['serious', 'critical'].includes(v.impact)).map((v) => [v.id, v.help, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160))])))`); found != "[]" {
		t.Errorf("axe-core: %s", found)
	}
}
