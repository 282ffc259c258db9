package hub_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder/hub"
	"sightline/encoder/hub/hubtest"
)

func TestFetch(t *testing.T) {
	r := newRig(t)
	r.Token = "hf_secret"
	o := r.options()
	o.Token = "hf_secret"
	var last hub.Progress
	o.Progress = func(p hub.Progress) { last = p }
	s, err := r.open(t, o, repo)
	if err != nil {
		t.Fatal(err)
	}
	if s.Commit() != r.commit || len(s.Files()) != len(r.files) {
		t.Errorf("commit %s, %d files", s.Commit(), len(s.Files()))
	}
	names := []string{weights, "config.json", "vocab.txt", "empty.txt"}
	for range 2 { // the second time there is nothing to do
		if err := s.Fetch(t.Context(), names...); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		r.whole(t, name)
	}
	if n := len(r.Requests("tf_model.h5")); n > 0 {
		t.Errorf("%d requests for what nobody asked for", n)
	}
	if n := len(r.Requests(weights)); n != 2 { // the redirect and the store
		t.Errorf("%d requests for the weights", n)
	}
	if last.Done != last.Total || last.Total < 300_000 || last.Rate <= 0 {
		t.Errorf("progress ends with %+v", last)
	}
	for _, req := range r.Requests("") {
		switch has := req.Header.Get("Authorization") != ""; {
		case isStore(req) && (has || req.Header.Get("Referer") != ""):
			t.Error("the token, or the address before, went to the store")
		case !isStore(req) && !has:
			t.Errorf("no token for %s", req.URL)
		}
	}
}

func TestRevisions(t *testing.T) {
	r := newRig(t)
	other := map[string][]byte{"config.json": []byte("{}")}
	commit := r.Put(repo, "refs/pr/5", other)
	for _, revision := range []string{"refs/pr/5", commit} {
		s, err := r.open(t, r.options(), repo+"@"+revision)
		if err != nil {
			t.Fatal(err)
		}
		if s.Commit() != commit {
			t.Errorf("%s is %s, want %s", revision, s.Commit(), commit)
		}
		wantError(t, s.Fetch(t.Context(), weights), "no file", weights)
		s.Close()
	}
}

// TestTokenStaysAtTheEndpoint: also where a redirect comes back from elsewhere,
// and where the same host has another port.
func TestTokenStaysAtTheEndpoint(t *testing.T) {
	var stray http.Header
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stray = r.Header.Clone()
		w.WriteHeader(http.StatusForbidden)
	}))
	defer elsewhere.Close()
	r := newRig(t)
	r.Token = "hf_secret"
	r.Spoil(func(w http.ResponseWriter, req *http.Request) bool {
		http.Redirect(w, req, elsewhere.URL+req.URL.Path, http.StatusTemporaryRedirect)
		return true
	})
	o := r.options()
	o.Token = "hf_secret"
	_, err := r.open(t, o, repo)
	wantError(t, err, "may not read", "which the server redirects")
	if stray == nil || stray.Get("Authorization") != "" || stray.Get("Cookie") != "" {
		t.Errorf("elsewhere got %v", stray)
	}
}

func TestNoDowngrade(t *testing.T) {
	plain := newRig(t)
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer secure.Close()
	o := plain.options()
	o.Endpoint, o.RootCAs = secure.URL, secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	_, err := plain.open(t, o, repo)
	wantError(t, err, "from https to http")
	if n := len(plain.Requests("")); n > 0 {
		t.Errorf("%d requests to the plain server", n)
	}
}

func TestRefusals(t *testing.T) {
	cases := map[string]struct {
		status int
		code   string
		token  string
		want   []string
	}{
		"gated, no token":       {403, "GatedRepo", "", []string{"team/blip is gated", "accept its conditions", "HF_TOKEN"}},
		"gated, no access yet":  {403, "GatedRepo", "hf_x", []string{"no access yet", "accept its conditions"}},
		"private, no token":     {401, "RepoNotFound", "", []string{"does not exist or is private", "HF_TOKEN"}},
		"wrong token":           {401, "", "hf_x", []string{"does not accept the token", "make a new token"}},
		"token of another user": {403, "", "hf_x", []string{"may not read team/blip", "read access"}},
		"no such revision":      {404, "RevisionNotFound", "", []string{"has no revision main", "commits/main"}},
		"no such repository":    {404, "RepoNotFound", "", []string{"is not there", "HF_ENDPOINT"}},
		"odd answer":            {418, "", "", []string{"status 418", "proxy"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Spoil(func(w http.ResponseWriter, _ *http.Request) bool {
				hubtest.Refuse(w, c.status, c.code)
				return true
			})
			o := r.options()
			o.Token = c.token
			_, err := r.open(t, o, repo)
			wantError(t, err, c.want...)
			if status, ok := errors.AsType[*hub.StatusError](err); !ok || status.Status != c.status || status.Code != c.code {
				t.Errorf("status error: %+v", status)
			}
			if n := len(r.Requests("")); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func TestListingsThatMakeNoSense(t *testing.T) {
	lie := strings.Repeat("0", 64)
	cases := map[string]struct {
		answer string // to the question for the commit
		listed *hubtest.Listed
		want   string
	}{
		"a page of a portal": {answer: "<html>Log in</html>", want: "is HF_ENDPOINT a Hub"},
		"no commit":          {answer: `{"sha":"../../etc"}`, want: "the commit is"},
		"hash with a path":   {listed: &hubtest.Listed{Size: 5, SHA256: "../" + lie[3:]}, want: "the SHA-256 of model.safetensors"},
		"negative size":      {listed: &hubtest.Listed{Size: -5, SHA256: lie}, want: "-5 bytes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if c.answer != "" {
				r.Spoil(func(w http.ResponseWriter, _ *http.Request) bool {
					_, _ = w.Write([]byte(c.answer))
					return true
				})
			} else {
				r.List(weights, *c.listed)
			}
			wantError(t, r.fetch(t, r.options(), weights), c.want)
			r.nothing(t)
		})
	}
}

func TestOffline(t *testing.T) {
	r := newRig(t)
	offline := r.options()
	offline.Offline = true
	wantError(t, r.fetch(t, offline, weights), "offline", "nothing of team/blip@main", "--keep")
	if err := r.fetch(t, r.options(), "config.json", "vocab.txt"); err != nil {
		t.Fatal(err)
	}
	n := len(r.Requests(""))
	if err := r.fetch(t, offline, "config.json", "vocab.txt"); err != nil {
		t.Error(err)
	}
	wantError(t, r.fetch(t, offline, weights, "config.json", "README.md"), "the cache lacks model.safetensors, README.md")
	if more := len(r.Requests("")) - n; more > 0 {
		t.Errorf("%d requests while offline", more)
	}
}

func TestNoRoom(t *testing.T) {
	r := newRig(t)
	o := r.options()
	free := int64(350_000)
	o.FreeBytes = func(string) (int64, error) { return free, nil }
	s, err := r.open(t, o, repo)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Reserve(100_000)
	wantError(t, s.Fetch(t.Context(), weights), "free space", "SIGHTLINE_CACHE_DIR")
	if n := len(r.Requests(weights)); n > 0 {
		t.Errorf("%d requests for what has no room", n)
	}
	free = 400_000
	if err := s.Fetch(t.Context(), weights); err != nil {
		t.Error(err)
	}
}

func TestOneAtATime(t *testing.T) {
	r := newRig(t)
	s, err := r.open(t, r.options(), repo)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.open(t, r.options(), repo)
	wantError(t, err, "another program downloads team/blip")
	s.Close()
	if err := r.fetch(t, r.options(), weights); err != nil {
		t.Error(err)
	}
}

func TestKeepAndRemove(t *testing.T) {
	for _, keep := range []bool{false, true} {
		r := newRig(t)
		s, err := r.open(t, r.options(), repo)
		if err != nil {
			t.Fatal(err)
		}
		if keep {
			if err := s.Keep(); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(s.Fetch(t.Context(), weights, "config.json"), s.Remove(), s.Close()); err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, sub := range []string{"blobs", "snapshots", "revisions", ".partial"} {
			found, _ := filepath.Glob(filepath.Join(r.dir(), sub, "*"))
			left = append(left, found...)
		}
		if (len(left) > 0) != keep {
			t.Errorf("keep %v: left are %v", keep, left)
		}
	}
}

// TestDamagedCache: what the disk has lost since is noticed and fetched anew.
func TestDamagedCache(t *testing.T) {
	r := newRig(t)
	if err := r.fetch(t, r.options(), weights); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(r.path(weights))
	if err != nil {
		t.Fatal(err)
	}
	data[1000] ^= 1
	if err := os.WriteFile(r.path(weights), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.fetch(t, r.options(), weights); err != nil {
		t.Fatal(err)
	}
	r.whole(t, weights)
}

func TestOptions(t *testing.T) {
	cases := map[string]struct {
		o    hub.Options
		want string
	}{
		"no cache":              {hub.Options{}, "SIGHTLINE_CACHE_DIR"},
		"endpoint with no host": {hub.Options{Cache: "x", Endpoint: "hub.example"}, "HF_ENDPOINT"},
		"endpoint with a user":  {hub.Options{Cache: "x", Endpoint: "https://me:pw@hub.example"}, "HF_ENDPOINT"},
		"token over plain http": {hub.Options{Cache: "x", Endpoint: "http://hub.example", Token: "hf_x"}, "use https"},
		"token of two lines":    {hub.Options{Cache: "x", Token: "hf_x\r\nX-Evil: 1"}, "characters"},
	}
	for name, c := range cases {
		_, err := hub.New(c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
