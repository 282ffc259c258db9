package web_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
