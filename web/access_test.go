package web_test

import (
	"encoding/json"
	"testing"

	"sightline/encoder/encodertest"
	"sightline/web/browsertest"
)

// access holds the page's views to axe-core: no serious or critical finding, in
// both colour schemes, on a wide page and on a phone.
func access() map[string]part {
	return map[string]part{
		"accessible, wide": func(t *testing.T, b *browsertest.Browser) { accessible(t, b, browsertest.Look{}) },
		"accessible, phone, dark": func(t *testing.T, b *browsertest.Browser) {
			accessible(t, b, browsertest.Look{Width: 390, Height: 844, Phone: true, Dark: true})
		},
	}
}

func accessible(t *testing.T, b *browsertest.Browser, look browsertest.Look) {
	axe := browsertest.Axe(t, encodertest.Missing)
	api := newFakeAPI(t)
	api.writes = true
	api.reports = []string{report("f00d"), report("0ther")}
	p := b.Open(t, api.URL, look)
	for _, v := range looked() {
		t.Run(v.name, func(t *testing.T) {
			p.Go(api.URL + v.address)
			if v.first != "" {
				p.Eval(v.first)
			}
			p.Wait(v.until)
			check(t, p, axe)
		})
	}
}

type view struct{ name, address, first, until string }

func looked() []view {
	return []view{
		{"start", "/?", "", `document.querySelectorAll('#shelf img').length === 3`},
		{"results", "/?q=red+mug&brand=Acme&less=striped&like=p003&box=0.1,0.2,0.6,0.9", "", hitsShown + ` && !document.getElementById('crop').hidden`},
		{"why", "/?q=red+mug&why=p002&word=1", "", `document.querySelectorAll('.word').length === 2 && !document.getElementById('heat').hidden && !document.getElementById('describe').hidden && !document.getElementById('ask').hidden`},
		{"refine", "/?q=mug", `new Promise((done) => { const look = () => (` + hitsShown + ` ? done(document.getElementById('refine-open').click()) : setTimeout(look, 20)); look(); })`, focused("#refine-close") + ` || innerWidth > 960`},
		{"help", "/?", `document.getElementById('help').showModal()`, `document.getElementById('help').open`},
		{"sign in", "/?", `document.getElementById('signin').showModal()`, `document.getElementById('signin').open`},
		{"index and jobs", "/?#admin", `new Promise((done) => { const look = () => { const d = document.querySelector('.numbers'); if (d) done(d.open = true); else setTimeout(look, 20); }; look(); })`, `document.querySelectorAll('#failed tr').length > 1 && document.querySelectorAll('progress').length > 0`},
	}
}

type finding struct {
	ID, Impact, Help string
	Nodes            []string
}

// check evaluates axe-core from outside the page, where its policy does not apply.
func check(t *testing.T, p *browsertest.Page, axe string) {
	t.Helper()
	p.Eval(axe + "; typeof axe")
	text := p.Eval(`axe.run(document, {resultTypes: ['violations']}).then((r) => JSON.stringify(r.violations.map((v) =>
		({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 4).map((n) => n.html.slice(0, 160) + ' ' + (n.failureSummary ?? '').slice(0, 300))}))))`)
	var findings []finding
	if err := json.Unmarshal([]byte(text), &findings); err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Impact == "serious" || f.Impact == "critical" {
			t.Errorf("%s: %s: %s\n%v", f.Impact, f.ID, f.Help, f.Nodes)
		} else {
			t.Logf("%s: %s: %s\n%v", f.Impact, f.ID, f.Help, f.Nodes)
		}
	}
}
