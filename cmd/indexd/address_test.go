package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
)

// pictureServer serves the samples, and a feed of n of them at /feed.jsonl.
func pictureServer(t *testing.T, n int) (s *httptest.Server, asked *atomic.Int64, flags []string) {
	t.Helper()
	asked = &atomic.Int64{}
	files := http.FileServer(http.Dir(filepath.Join(samples, "pictures")))
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/feed.jsonl" {
			asked.Add(1)
			files.ServeHTTP(w, r)
			return
		}
		for i := range n {
			fmt.Fprintf(w, "{\"id\":\"item-%d\",\"title\":\"a mug\",\"image\":\"%s/p%04d.png\"}\n", i, s.URL, i)
		}
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return s, asked, []string{"--fetch-allow", "127.0.0.1", "--fetch-ports", u.Port()}
}

// TestImportFromAddresses imports a feed at an address whose pictures are at
// addresses: again it fetches none, and a full sync follows what is gone.
func TestImportFromAddresses(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	s, asked, flags := pictureServer(t, 5)
	data := filepath.Join(t.TempDir(), "data")
	args := append([]string{"--data", data, "--model", model}, flags...)
	sum, _ := importSummary(t, environ, append([]string{s.URL + "/feed.jsonl"}, args...)...)
	if sum.Written != 5 || asked.Load() != 5 {
		t.Fatalf("%d requests: %+v", asked.Load(), sum)
	}
	if sum, _ := importSummary(t, environ, append([]string{s.URL + "/feed.jsonl"}, args...)...); sum.Unchanged != 5 || asked.Load() != 5 {
		t.Errorf("again, %d requests: %+v", asked.Load(), sum)
	}
	if sum, _ := importSummary(t, environ, append([]string{s.URL + "/feed.jsonl", "--revalidate", "0"}, args...)...); sum.Unchanged != 5 || asked.Load() != 10 {
		t.Errorf("revalidated, %d requests: %+v", asked.Load(), sum)
	}
	feed := filepath.Join(t.TempDir(), "four.jsonl")
	var lines strings.Builder
	for i := range 4 {
		fmt.Fprintf(&lines, "{\"id\":\"item-%d\",\"title\":\"a mug\",\"image\":\"%s/p%04d.png\"}\n", i, s.URL, i)
	}
	writeFile(t, feed, []byte(lines.String()))
	sync := append([]string{"import", feed, "--full-sync"}, args...)
	indexd(t, environ, append(sync, "--max-vanish", "10")...).says(t, cli.ExitFailed, "nothing was deleted", "1 of 5 items", "--force")
	indexd(t, environ, append(sync, "--dry-run")...).says(t, cli.ExitOK, "0 would be written, 4 unchanged, 0 failed, 1 would be deleted")
	indexd(t, environ, sync...).says(t, cli.ExitOK, "4 unchanged, 0 failed, 1 deleted")
	indexd(t, environ, sync...).says(t, cli.ExitOK, "4 unchanged, 0 failed\n")
}

// Without being told to, nothing is fetched from inner networks.
func TestInnerAddressesAreRefused(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	s, asked, flags := pictureServer(t, 1)
	feed := filepath.Join(t.TempDir(), "feed.jsonl")
	writeFile(t, feed, fmt.Appendf(nil, "{\"id\":\"a\",\"image\":\"%s/p0000.png\"}\n", s.URL))
	data := filepath.Join(t.TempDir(), "data")
	indexd(t, environ, "import", feed, "--data", data, "--model", model, flags[2], flags[3]).says(t, cli.ExitSomeFailed, "fetch", "127.0.0.1")
	indexd(t, environ, "import", s.URL+"/feed.jsonl", "--data", data, "--model", model, flags[2], flags[3]).says(t, cli.ExitFailed, "loopback")
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests reached the server", n)
	}
	indexd(t, environ, "import", feed, "--fetch-ports", "http").says(t, cli.ExitUsage, "is no port")
}
