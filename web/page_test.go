package web_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"sightline/encoder/encodertest"
	"sightline/web/browsertest"
)

// part is one use of the page, with a profile and a server of its own.
type part func(*testing.T, *browsertest.Browser)

// TestPage uses the page as people do, in a real browser, over a fake API. One
// browser serves all parts: it takes a second or two to start.
func TestPage(t *testing.T) {
	b := browsertest.Start(t, encodertest.Missing)
	for _, parts := range []map[string]part{uses(), states(), views(), words(), access()} {
		for name, part := range parts {
			t.Run(name, func(t *testing.T) { t.Parallel(); part(t, b) })
		}
	}
}

func uses() map[string]part {
	return map[string]part{
		"search as you type":             searchAsYouType,
		"an older answer comes last":     olderAnswerComesLast,
		"ITC only, re-ranked":            reorders,
		"gliding":                        glides,
		"why":                            tellsWhy,
		"a deep link to a word's map":    deepLink,
		"a picture is uploaded":          uploads,
		"a picture is pasted or dropped": pastes,
		"a file that is no picture":      noPicture,
		"a part of an upload":            crops,
		"a part, with a finger":          swipes,
		"a deep link to a part":          cropLink,
		"filters":                        filters,
		"less of":                        lessOf,
		"more":                           more,
		"back and forward":               backAndForward,
		"keyboard":                       keyboard,
		"similar":                        similar,
		"words for pictures":             alternatives,
	}
}

const (
	hitsShown = `document.body.dataset.view === 'hits' && document.querySelectorAll('.card:not(.skeleton)').length > 0`
	firstID   = `document.querySelector('.card').dataset.id`
	count     = `document.getElementById('count').textContent`
)

func is(script, want string) string { return fmt.Sprintf("%s === %q", script, want) }

func focused(selector string) string {
	return fmt.Sprintf("document.activeElement.matches(%q)", selector)
}

func searchAsYouType(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL, browsertest.Look{})
	p.Wait(focused("#q"))
	p.Wait(`document.querySelectorAll('#shelf img').length === 3`)
	p.Type("#q", "red mug")
	p.Wait(hitsShown)
	p.Wait(is("location.search", "?q=red+mug"))
	p.Wait(count + `.includes('50 nearest pictures for “red mug”')`)
	if a := api.last(t); a.Text != "red mug" || !a.Rerank.Enabled || a.Limit != 50 || len(api.seen()) > 7 {
		t.Errorf("%d searches, the last %+v", len(api.seen()), a)
	}
	if title := p.Eval(`document.querySelector('.card .title').textContent`); title != "Thing 2 with <b>a lid</b>" {
		t.Errorf("title %q: text of a catalogue must stay text", title)
	}
	for what, want := range map[string]string{".rank": "Place 1, up 2. ▲2", ".price": "€12.00", ".chance": "97 %"} {
		if got := p.Eval(`document.querySelector('.card ` + what + `').textContent`); got != want {
			t.Errorf("%s of the first card is %q, want %q", what, got, want)
		}
	}
	p.Press(" with dots")
	p.Wait(is("location.search", "?q=red+mug+with+dots"))
	if n := p.Eval(`history.length`); n != "3" { // the blank page, the start, one search
		t.Errorf("typing has left %s entries in history", n)
	}
}

func olderAnswerComesLast(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	hold, held, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	api.override(func(w http.ResponseWriter, r *http.Request, a *asked) bool {
		if a == nil || a.Text != "slow" {
			return false
		}
		close(held)
		select {
		case <-hold:
		case <-r.Context().Done(): // the page has given it up
			close(left)
		}
		return true
	})
	defer close(hold)
	p := b.Open(t, api.URL, browsertest.Look{})
	p.Type("#q", "slow")
	<-held
	p.Wait(`document.querySelectorAll('.skeleton').length > 0`)
	p.Wait(count + `.includes('The server is slow')`)
	p.Press("er")
	p.Wait(hitsShown)
	p.Wait(count + `.includes('“slower”')`)
	select {
	case <-left: // given up at once, and not when its time was over
	case <-time.After(20 * time.Second):
		t.Error("the older search is still under way")
	}
}

func reorders(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/?q=mug", browsertest.Look{})
	p.Wait(hitsShown)
	p.Wait(is(firstID, "p002"))
	searches := len(api.seen())
	p.Eval(`window.kept = document.querySelector('.card')`)
	p.Click("#order label:first-of-type")
	p.Wait(is(firstID, "p000"))
	p.Wait(is("location.search", "?q=mug&order=itc"))
	if rank := p.Eval(`document.querySelector('[data-id=p002] .rank').textContent`); rank != "Place 3, re-ranked 1. → 1" {
		t.Errorf("rank of the moved hit is %q", rank)
	}
	if p.Eval(`window.kept === document.querySelector('[data-id=p002]')`) != "true" {
		t.Error("the card was made anew: it cannot glide")
	}
	p.Click("#order label:last-of-type")
	p.Wait(is(firstID, "p002"))
	if n := len(api.seen()); n != searches {
		t.Errorf("reordering has asked the server %d times", n-searches)
	}
	// A link to the first look alone does not pay for the second.
	p.Go(api.URL + "/?q=mug&order=itc")
	p.Wait(hitsShown)
	if api.last(t).Rerank.Enabled {
		t.Error("the second look was asked for")
	}
}

func glides(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	running := `document.querySelector('[data-id=p002]').getAnimations().length`
	for _, moving := range []bool{true, false} {
		p := b.Open(t, api.URL+"/?q=mug", browsertest.Look{Moving: moving})
		p.Wait(hitsShown)
		p.Wait(`[...document.querySelectorAll('.card')].every((c) => c.getAnimations().length === 0)`)
		got := p.Eval(`document.querySelector('#order input[value=itc]').click(), ` + running)
		if (got != "0") != moving {
			t.Errorf("motion wanted: %v; %s animations run", moving, got)
		}
	}
}

func tellsWhy(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/?q=red+mug", browsertest.Look{})
	p.Wait(hitsShown)
	p.Click("[data-id=p002] .open")
	p.Wait(`!document.getElementById('why').hidden && document.querySelectorAll('.word').length === 2`)
	p.Wait(focused("#why-title"))
	for _, want := range []string{"0.890", "6.50", "97 %", "3 → 1", "▲2", "Corvo"} {
		p.Wait(fmt.Sprintf("document.getElementById('why').innerText.includes(%q)", want))
	}
	if p.Eval(`document.querySelectorAll('#why a[href^=javascript]').length`) != "0" {
		t.Error("an address of a catalogue became a link that runs")
	}
	p.Click(".word[data-index='1']")
	p.Wait(`!document.getElementById('heat').hidden`)
	p.Wait(is("location.search", "?q=red+mug&why=p002&word=1"))
	// The last of the 2 x 2 patches is the hottest: yellow; the first is dark.
	hot := `[...document.getElementById('heat').getContext('2d').getImageData(%d, %d, 1, 1).data].slice(0, 3).join()`
	if a, z := p.Eval(fmt.Sprintf(hot, 0, 0)), p.Eval(fmt.Sprintf(hot, 191, 191)); a == z {
		t.Errorf("the map is the same colour in its first and last corner: %s", a)
	}
	p.Press(kb.Escape)
	p.Wait(`document.getElementById('why').hidden`)
	p.Wait(focused("[data-id=p002] .open"))
	p.Wait(is("location.search", "?q=red+mug"))
}

func deepLink(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/?q=red+mug&why=p005&word=0", browsertest.Look{})
	p.Wait(`!document.getElementById('heat').hidden`)
	p.Click("#why-next")
	p.Wait(`document.getElementById('why-title').textContent.startsWith('Thing 6')`)
	// An item beyond the page's hits, too.
	p.Go(api.URL + "/?q=red+mug&why=p110")
	p.Wait(`document.getElementById('score').innerText.includes('not among the results')`)
	p.Wait(`document.querySelectorAll('.word').length === 2`)
	// A server that cannot explain says so.
	api.override(func(w http.ResponseWriter, _ *http.Request, a *asked) bool {
		if a == nil {
			reply(w, 501, map[string]any{"detail": "Convert the model again."})
		}
		return a == nil
	})
	p = b.Open(t, api.URL+"/?q=red+mug&why=p005", browsertest.Look{Expect: "501"})
	p.Wait(`document.getElementById('words-note').textContent.includes('Convert the model again.')`)
}

func filters(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/?q=mug", browsertest.Look{})
	p.Wait(hitsShown)
	p.Click("[data-field=brand] input[value=Bolt]")
	p.Wait(`[...document.querySelectorAll('.card .brand-name')].every((n) => n.textContent === 'Bolt')`)
	p.Wait(is("location.search", "?q=mug&brand=Bolt"))
	p.Click("[data-field=brand] input[value=Corvo]") // still there to be added
	p.Wait(`location.search.endsWith('brand=Bolt&brand=Corvo')`)
	p.Type("#price-max", "40")
	p.Press(kb.Enter)
	p.Wait(`location.search.endsWith('max=40') && document.querySelectorAll('#active li').length === 3`)
	p.Wait(hitsShown)
	if got, want := api.last(t).Filter, `brand IN ("Bolt", "Corvo") AND price <= 40`; got != want {
		t.Errorf("filter %s, want %s", got, want)
	}
	p.Click("#active li:first-child button")
	p.Wait(`document.querySelectorAll('#active li').length === 2 && !location.search.includes('Bolt')`)
	p.Click("#good + i")
	p.Wait(`location.search.includes('good=on')`)
	p.Wait(hitsShown)
	p.Click("#variants-row label")
	p.Wait(`location.search.includes('variants=one')`)
	p.Wait(hitsShown)
	if a := api.last(t); a.MinMatch != 0.5 || a.GroupBy != "group_id" {
		t.Errorf("min_match %v, group_by %q", a.MinMatch, a.GroupBy)
	}
}

func lessOf(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/?q=mug", browsertest.Look{})
	p.Wait(hitsShown)
	p.Type("#less", "striped")
	p.Wait(`location.search.includes('less=striped')`)
	p.Wait(count + `.includes('less “striped”')`)
	if a := api.last(t); a.Negative != "striped" || a.Text != "mug" {
		t.Errorf("searched for %q, less %q", a.Text, a.Negative)
	}
}

func more(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/?q=mug", browsertest.Look{})
	p.Wait(hitsShown)
	cards := `document.querySelectorAll('.card').length`
	for want := 25; want < catalogueSize; want += 25 {
		p.Wait(fmt.Sprintf("%s === %d", cards, want))
		p.Click("#more")
		p.Wait(fmt.Sprintf("document.activeElement.closest('.card') === document.querySelectorAll('.card')[%d]", want))
	}
	p.Wait(fmt.Sprintf("%s === %d && document.getElementById('more').hidden", cards, catalogueSize))
}

func backAndForward(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL, browsertest.Look{})
	p.Type("#q", "one")
	p.Wait(count + `.includes('“one”')`)
	p.Press(kb.Enter)
	p.Click("[data-id=p001] .open")
	p.Wait(`!document.getElementById('why').hidden`)
	p.Eval(`history.back()`)
	p.Wait(`document.getElementById('why').hidden && location.search === '?q=one'`)
	p.Eval(`history.forward()`)
	p.Wait(`!document.getElementById('why').hidden`)
	p.Eval(`history.go(-2)`)
	p.Wait(`document.body.dataset.view === 'start' && document.getElementById('q').value === ''`)
	if n := len(api.seen()); n > 4 {
		t.Errorf("%d searches: answers at hand were asked for again", n)
	}
}

func keyboard(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/?q=mug", browsertest.Look{})
	p.Wait(hitsShown)
	at := func(i int) string {
		return fmt.Sprintf("document.activeElement === document.querySelectorAll('.open')[%d]", i)
	}
	p.Wait(focused("#q"))
	p.Press(kb.ArrowDown)
	p.Wait(at(0))
	p.Press(kb.ArrowRight)
	p.Wait(at(1))
	p.Press(kb.ArrowDown) // four columns at this width
	p.Wait(at(5))
	p.Press("r")
	p.Wait(`location.search.includes('order=itc')`)
	p.Press(kb.Enter)
	p.Wait(`!document.getElementById('why').hidden`)
	p.Press(kb.Escape)
	p.Wait(`document.getElementById('why').hidden && document.activeElement.matches('.open')`)
	p.Press("?")
	p.Wait(`document.getElementById('help').open`)
	p.Press(kb.Escape)
	p.Wait(`!document.getElementById('help').open`)
	p.Press("/")
	p.Wait(focused("#q"))
	p.Press(kb.Escape)
	p.Wait(`document.body.dataset.view === 'start' && document.getElementById('q').value === ''`)
}

func similar(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/?q=mug", browsertest.Look{})
	p.Wait(hitsShown)
	p.Press(kb.ArrowDown)
	p.Press("s")
	p.Wait(`location.search === '?like=p002' && !document.getElementById('composer').hidden`)
	p.Wait(hitsShown)
	if a := api.last(t); a.Image.ID != "p002" || a.Text != "" {
		t.Errorf("searched by %+v", a)
	}
}
