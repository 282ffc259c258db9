package web_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"sightline/web/browsertest"
)

func uploads(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	file := filepath.Join(t.TempDir(), "mug.png")
	if err := os.WriteFile(file, dot(3), 0o600); err != nil {
		t.Fatal(err)
	}
	p := b.Open(t, api.URL, browsertest.Look{})
	p.Upload("#file", file)
	p.Wait(hitsShown)
	p.Wait(`!document.getElementById('composer').hidden && document.getElementById('chip-image').naturalWidth === 16`)
	if a := api.last(t); string(a.upload) != string(dot(3)) || a.Text != "" {
		t.Errorf("searched by %d bytes and %q", len(a.upload), a.Text)
	}
	p.Type("#q", "in blue")
	p.Wait(count + `.includes('“in blue” with your picture')`)
	p.Wait(`!document.getElementById('weight-row').hidden`)
	p.Eval(`w = document.getElementById('weight'), w.value = 80, w.dispatchEvent(new Event('input', {bubbles: true})), true`)
	p.Wait(`location.search.includes('weight=0.8')`)
	p.Wait(hitsShown)
	if a := api.last(t); a.Text != "in blue" || a.Image.Weight != 0.8 || len(a.upload) == 0 {
		t.Errorf("text %q, weight %v, %d bytes", a.Text, a.Image.Weight, len(a.upload))
	}
	p.Click("#chip-remove")
	p.Wait(count + `.includes('for “in blue”,')`)
	p.Wait(`document.getElementById('composer').hidden`)
}

// carried makes an event that carries a picture, as browsers do.
const carried = `(async () => {
  const c = new OffscreenCanvas(9, 9); c.getContext('2d').fillRect(0, 0, 9, 9);
  const data = new DataTransfer();
  data.items.add(new File([await c.convertToBlob({type: 'image/%s'})], 'x', {type: 'image/%s'}));
  document.dispatchEvent(%s);
  return true;
})()`

func pastes(t *testing.T, b *browsertest.Browser) {
	for what, script := range map[string]string{
		"pasted":  fmt.Sprintf(carried, "png", "png", `new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})`),
		"dropped": fmt.Sprintf(carried, "webp", "webp", `new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})`),
		// A kind that the API does not read becomes one that it does.
		"of another kind": fmt.Sprintf(carried, "png", "gif", `new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})`),
	} {
		api := newFakeAPI(t)
		p := b.Open(t, api.URL, browsertest.Look{})
		p.Eval(script)
		p.Wait(hitsShown)
		if a := api.last(t); len(a.upload) == 0 {
			t.Errorf("%s: searched by %+v", what, a)
		} else if what == "of another kind" && !strings.HasPrefix(string(a.upload), "\xff\xd8\xff") {
			t.Errorf("%s: not a JPEG", what)
		}
	}
}

func noPicture(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	file := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(file, []byte("no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := b.Open(t, api.URL, browsertest.Look{})
	p.Upload("#file", file)
	p.Wait(is(`document.getElementById('problem-title').textContent`, "That is not a picture"))
	if n := len(api.seen()); n != 0 {
		t.Errorf("%d searches", n)
	}
}

const boxNow = `[...document.querySelectorAll('.edges input')].map((n) => n.value).join()`

// crops draws a box on an upload with the mouse, moves and resizes it with keys
// and numbers, and takes it away.
func crops(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	file := filepath.Join(t.TempDir(), "mug.png")
	if err := os.WriteFile(file, dot(3), 0o600); err != nil {
		t.Fatal(err)
	}
	p := b.Open(t, api.URL, browsertest.Look{})
	p.Upload("#file", file)
	p.Wait(hitsShown)
	p.Click("#crop-open")
	p.Wait(focused("#crop-box") + ` && document.getElementById('crop-image').naturalWidth === 16 && document.getElementById('crop-stage').offsetHeight > 200`)
	p.Drag("#crop-stage", browsertest.Spot{X: 0.25, Y: 0.25}, browsertest.Spot{X: 0.5, Y: 0.75})
	p.Wait(is(boxNow, "25,25,50,75"))
	p.Wait(count + `.includes('a part of your picture')`)
	p.Press(kb.ArrowRight + kb.ArrowUp) // two in a row are one search
	p.Shift(kb.ArrowLeft)
	p.Wait(is(boxNow, "27,23,50,73"))
	p.Wait(`document.getElementById('crop-said').textContent === 'Searching by the part from left 27 % to 50 %, top 23 % to 73 %.'`)
	if a := api.last(t); len(strings.Split(a.box, ",")) != 4 || !strings.HasPrefix(a.box, "0.2") || string(a.upload) != string(dot(3)) || a.Filter != "" {
		t.Errorf("searched by %d bytes, box %q, filter %q", len(a.upload), a.box, a.Filter)
	}
	p.Eval(`{ const n = document.getElementById('crop-left'); n.value = 90; n.dispatchEvent(new Event('change')); }`)
	p.Wait(is(boxNow, "45,23,50,73")) // not beyond the right edge
	p.Click("#crop-box")              // has the focus again; a click draws nothing
	p.Press(kb.Escape)
	p.Wait(is(boxNow, "0,0,100,100"))
	p.Wait(count + `.includes('for your picture,')`)
	p.Drag("#crop-stage", browsertest.Spot{X: 0.5, Y: 0.5}, browsertest.Spot{X: 0.9, Y: 0.9})
	p.Wait(count + `.includes('a part of your picture')`)
	p.Eval(`history.back()`)
	p.Wait(count + `.includes('for your picture,')`)
	p.Eval(`history.forward()`)
	p.Wait(count + `.includes('a part of your picture')`)
	p.Wait(is(boxNow, "50,50,90,90"))
	p.Wait(is("location.search", "")) // an upload has no address, nor has its box
	p.Click("#crop-close")
	p.Wait(`document.getElementById('crop').hidden && ` + focused("#crop-open"))
}

func swipes(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/?like=p003&box=0,0,0.5,0.5", browsertest.Look{Width: 390, Height: 844, Phone: true})
	p.Wait(hitsShown + ` && document.getElementById('crop-image').naturalWidth === 16`)
	p.Swipe("#crop-stage", browsertest.Spot{X: 0.25, Y: 0.25}, browsertest.Spot{X: 0.5, Y: 0.75})
	p.Wait(is(boxNow, "25,50,75,100")) // moved, and not out of the picture
	p.Swipe("#crop-stage", browsertest.Spot{X: 0.75, Y: 0.75}, browsertest.Spot{X: 0.9, Y: 0.5})
	p.Wait(is(boxNow, "25,50,90,100")) // by its right edge
	p.Wait(`location.search.startsWith('?like=p003&box=0.25')`)
	if o := p.Eval(overflow); o != "0" {
		t.Errorf("the page is %s px too wide", o)
	}
}

func cropLink(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	p := b.Open(t, api.URL+"/?q=red&like=p003&box=0.1,0.2,0.6,0.9", browsertest.Look{})
	p.Wait(hitsShown + ` && !document.getElementById('crop').hidden`)
	p.Wait(is(boxNow, "10,20,60,90"))
	p.Wait(count + `.includes('“red” with a part of the picture of “Thing 3')`)
	if a := api.last(t); a.box != "0.1,0.2,0.6,0.9" || string(a.upload) != string(dot(3)) || a.Filter != `id != "p003"` || a.Text != "red" || a.Image.ID != "" {
		t.Errorf("searched by %d bytes, box %q, filter %q, text %q", len(a.upload), a.box, a.Filter, a.Text)
	}
	p.Click("#crop-whole")
	p.Wait(is("location.search", "?q=red&like=p003"))
	p.Wait(hitsShown)
	if a := api.last(t); a.box != "" || len(a.upload) != 0 || a.Image.ID != "p003" {
		t.Errorf("searched by %+v", a)
	}
	for _, box := range []string{"0.5,0,0.1,1", "a,b,c,d", "0,0,1", "0,0,2,2", ",,,", "0,0,1,1"} { // none of these is a part
		p.Go(api.URL + "/?like=p003&box=" + box)
		p.Wait(hitsShown)
		if a := api.last(t); a.box != "" || a.Image.ID != "p003" {
			t.Errorf("%s: searched by %+v", box, a)
		}
	}
}

// alternatives: a picture beside its title has a text only if that says more;
// one that stands alone has the caption, or else the title. One that cannot be
// loaded gives its place to words.
func alternatives(t *testing.T, b *browsertest.Browser) {
	api := newFakeAPI(t)
	api.lost = "p003"
	p := b.Open(t, api.URL, browsertest.Look{Expect: "404"})
	p.Wait(`document.querySelectorAll('#shelf img').length === 2 && document.querySelector('#shelf .lost') !== null`)
	if got := p.Eval(`document.querySelector('#shelf img').alt + ', ' + document.querySelector('#shelf .lost').getAttribute('aria-label')`); got != "Like Thing 1 with <b>a lid</b>, Like Thing 3 with <b>a lid</b> (picture not available)" {
		t.Errorf("on the shelf: %s", got)
	}
	p.Go(api.URL + "/?q=mug&why=p004")
	p.Wait(hitsShown + ` && document.querySelector('[data-id=p003] .lost') !== null && document.querySelectorAll('#alike a').length === 8`)
	for script, want := range map[string]string{
		`document.querySelector('.card[data-id=p004] img').alt`:                   "a shelf with 4 things",
		`document.querySelector('.card[data-id=p005] img').alt`:                   "",
		`document.getElementById('why-image').alt`:                                "a shelf with 4 things",
		`document.querySelector('#alike [data-id=p004] img').alt`:                 "a shelf with 4 things",
		`document.querySelector('#alike [data-id=p005] img').alt`:                 "Thing 5 with <b>a lid</b>",
		`document.querySelectorAll('img:not([alt])').length`:                      "0",
		`document.querySelector('.card[data-id=p003] .lost').ariaLabel ?? 'none'`: "none",
	} {
		if got := p.Eval(script); got != want {
			t.Errorf("%s is %q, want %q", script, got, want)
		}
	}
	p.Go(api.URL + "/?q=mug&why=p003")
	p.Wait(`!document.getElementById('why-lost').hidden && document.getElementById('why-image').hidden`)
}
