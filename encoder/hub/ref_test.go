package hub_test

import (
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder/hub"
)

func TestParseRef(t *testing.T) {
	good := map[string]hub.Ref{
		"Salesforce/blip-itm-base-coco":           {Repo: "Salesforce/blip-itm-base-coco", Revision: "main"},
		"Salesforce/blip-itm-base-coco@refs/pr/5": {Repo: "Salesforce/blip-itm-base-coco", Revision: "refs/pr/5"},
		"blip@v1.0": {Repo: "blip", Revision: "v1.0"},
		"a/b@0123456789abcdef0123456789abcdef01234567": {Repo: "a/b", Revision: "0123456789abcdef0123456789abcdef01234567"},
	}
	for text, want := range good {
		if got, err := hub.ParseRef(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "/", "a/", "/b", "../b", "a/..", "a/b/c", "https://huggingface.co/a/b", "a/b@", "a/b@../x", "a/b@/x", "a--b/c", "a/b@x y",
		"a/b@" + strings.Repeat("x", 100), "a/b?x", "a/b@x?y", "a\\b", "a/b@x\n",
	} {
		if got, err := hub.ParseRef(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// FuzzParseRef: what is accepted cannot leave the cache folder or the server's
// part for the repository.
func FuzzParseRef(f *testing.F) {
	for _, seed := range []string{"Salesforce/blip-itm-base-coco@refs/pr/5", "blip", "a/b@../../c", "a/b@%2e%2e", "a/b@v1+x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := hub.ParseRef(text)
		if err != nil {
			return
		}
		if !filepath.IsLocal(r.Repo) || !filepath.IsLocal(r.Revision) || strings.ContainsAny(text, "?#%\\ \n\r\x00") || strings.Count(r.Repo, "/") > 1 {
			t.Errorf("%q is read as %+v", text, r)
		}
		if again, err := hub.ParseRef(r.String()); err != nil || again != r {
			t.Errorf("%+v is read back as %+v, %v", r, again, err)
		}
	})
}
