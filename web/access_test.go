package web_test

import (
	"encoding/json"
	"testing"

	"sightline/encoder/encodertest"
	"sightline/web/browsertest"
)

// TestAccessibility holds the page's views to axe-core: no serious or critical
// finding, in both colour schemes, on a wide page and on a phone.
func TestAccessibility(t *testing.T) {
	axe := browsertest.Axe(t, encodertest.Missing)
	b := browsertest.Start(t, encodertest.Missing)
	api := newFakeAPI(t)
	api.writes = true
	for name, look := range map[string]browsertest.Look{"wide": {}, "phone, dark": {Width: 390, Height: 844, Phone: true, Dark: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := b.Open(t, api.URL, look)
			for _, v := range views() {
				t.Run(v.name, func(t *testing.T) {
					p.Go(api.URL + v.address)
					if v.first != "" {
						p.Eval(v.first)
					}
					p.Wait(v.until)
					check(t, p, axe)
				})
			}
		})
	}
}

type view struct{ name, address, first, until string }

func views() []view {
	return []view{
		{"start", "/?", "", `document.querySelectorAll('#shelf img').length === 3`},
		{"results", "/?q=red+mug&brand=Acme&less=striped&like=p003", "", hitsShown},
		{"why", "/?q=red+mug&why=p002&word=1", "", `document.querySelectorAll('.word').length === 2 && !document.getElementById('heat').hidden && !document.getElementById('describe').hidden && !document.getElementById('ask').hidden`},
		{"refine", "/?q=mug", `new Promise((done) => { const look = () => (` + hitsShown + ` ? done(document.getElementById('refine-open').click()) : setTimeout(look, 20)); look(); })`, focused("#refine-close") + ` || innerWidth > 960`},
		{"help", "/?", `document.getElementById('help').showModal()`, `document.getElementById('help').open`},
		{"sign in", "/?", `document.getElementById('signin').showModal()`, `document.getElementById('signin').open`},
		{"index and jobs", "/?#admin", "", `document.querySelectorAll('#failed tr').length > 1 && document.querySelectorAll('progress').length > 0`},
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
