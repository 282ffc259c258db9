// Package hubtest is a server that speaks as much of the Hugging Face Hub's
// protocol as package hub asks for, on loopback, and fails as a test wants it.
package hubtest

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // Git's name of a blob
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// pageSize is small, so that listings have several pages.
const pageSize = 3

// Server is a Hub and, with an address of its own, the store of its large files.
type Server struct {
	// URL is the endpoint, Store where large files are redirected to.
	URL, Store string
	// Token, where set, is asked for by the endpoint; the store takes none.
	Token string

	mu       sync.Mutex
	spoil    func(w http.ResponseWriter, r *http.Request) bool
	requests []*http.Request
	commits  map[string]map[string][]byte // by "repo@commit"
	branches map[string]string            // by "repo@revision"
	listed   map[string]Listed
}

// Listed is what the listing says of a file in place of the truth.
type Listed struct {
	Size   int64
	SHA256 string
}

// New starts a server for the length of the test.
func New(t testing.TB) *Server {
	s := &Server{commits: map[string]map[string][]byte{}, branches: map[string]string{}, listed: map[string]Listed{}}
	endpoint, store := httptest.NewServer(s.handler(s.endpoint)), httptest.NewServer(s.handler(s.store))
	t.Cleanup(endpoint.Close)
	t.Cleanup(store.Close)
	s.URL, s.Store = endpoint.URL, store.URL
	return s
}

// Put makes a commit of a repository and lets revision point to it. Files with
// weights are large ones: their SHA-256 is listed, and they are in the store.
func (s *Server) Put(repo, revision string, files map[string][]byte) (commit string) {
	h := sha1.New() //nolint:gosec // see above
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%s %x\n", name, sha256.Sum256(files[name]))
	}
	commit = hex.EncodeToString(h.Sum(nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits[repo+"@"+commit] = files
	s.branches[repo+"@"+revision] = commit
	s.branches[repo+"@"+commit] = commit
	return commit
}

// List has the listing lie about a file.
func (s *Server) List(name string, l Listed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed[name] = l
}

// Spoil sets what is asked first about each request, of endpoint and store; true
// says that it has answered. nil spoils nothing.
func (s *Server) Spoil(spoil func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoil = spoil
}

// Requests are those so far whose path contains part.
func (s *Server) Requests(part string) []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*http.Request
	for _, r := range s.requests {
		if strings.Contains(r.URL.Path, part) {
			found = append(found, r)
		}
	}
	return found
}

func (s *Server) handler(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		spoil := s.spoil
		s.mu.Unlock()
		if spoil == nil || !spoil(w, r) {
			next(w, r)
		}
	})
}

// Refuse answers as the Hub does, with its own code for the error.
func Refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Error-Code", code)
	w.WriteHeader(status)
}

// large tells files that Git LFS holds.
func large(name string) bool {
	return strings.HasSuffix(name, ".safetensors") || strings.HasSuffix(name, ".bin")
}

// endpoint answers /api/models/REPO/revision/REV, /api/models/REPO/tree/COMMIT
// and /REPO/resolve/COMMIT/FILE.
func (s *Server) endpoint(w http.ResponseWriter, r *http.Request) {
	if s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token {
		Refuse(w, http.StatusUnauthorized, "RepoNotFound")
		return
	}
	path, api := strings.CutPrefix(r.URL.EscapedPath(), "/api/models/")
	for _, verb := range []string{"revision", "tree", "resolve"} {
		repo, rest, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/"+verb+"/")
		if !ok || api == (verb == "resolve") {
			continue
		}
		revision, file, _ := strings.Cut(rest, "/")
		revision, _ = url.PathUnescape(revision)
		s.answer(w, r, asked{verb, repo, revision, file})
		return
	}
	Refuse(w, http.StatusNotFound, "RepoNotFound")
}

type asked struct{ verb, repo, revision, file string }

func (s *Server) answer(w http.ResponseWriter, r *http.Request, a asked) {
	s.mu.Lock()
	commit, known := s.branches[a.repo+"@"+a.revision]
	files := s.commits[a.repo+"@"+commit]
	s.mu.Unlock()
	data, has := files[a.file]
	switch {
	case !known:
		Refuse(w, http.StatusNotFound, "RevisionNotFound")
	case a.verb == "revision":
		_ = json.NewEncoder(w).Encode(map[string]any{"id": a.repo, "sha": commit, "private": false})
	case a.verb == "tree":
		s.tree(w, r, files)
	case !has:
		Refuse(w, http.StatusNotFound, "EntryNotFound")
	case large(a.file):
		http.Redirect(w, r, s.Store+"/"+a.repo+"/"+commit+"/"+a.file+"?signature=1", http.StatusFound)
	default:
		Serve(w, r, data)
	}
}

// Serve answers with data as the Hub's stores do: an ETag, ranges, If-Range.
func Serve(w http.ResponseWriter, r *http.Request, data []byte) {
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(data)))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func (s *Server) store(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) != 4 || r.URL.Query().Get("signature") == "" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	s.mu.Lock()
	data, ok := s.commits[parts[0]+"/"+parts[1]+"@"+parts[2]][parts[3]]
	s.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	Serve(w, r, data)
}

func (s *Server) tree(w http.ResponseWriter, r *http.Request, files map[string][]byte) {
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	names := slices.Sorted(maps.Keys(files))
	page := names[min(from, len(names)):min(from+pageSize, len(names))]
	if from+pageSize < len(names) {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?cursor=%d>; rel="next"`, s.URL, r.URL.EscapedPath(), from+pageSize))
	}
	entries := []map[string]any{{"type": "directory", "oid": strings.Repeat("0", 40), "size": 0, "path": "folder"}}
	for _, name := range page {
		entries = append(entries, s.entry(name, files[name]))
	}
	_ = json.NewEncoder(w).Encode(entries)
}

func (s *Server) entry(name string, data []byte) map[string]any {
	blob := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...)) //nolint:gosec // see above
	size, sum := int64(len(data)), fmt.Sprintf("%x", sha256.Sum256(data))
	s.mu.Lock()
	lie, lies := s.listed[name]
	s.mu.Unlock()
	if lies {
		size, sum = lie.Size, lie.SHA256
	}
	e := map[string]any{"type": "file", "oid": hex.EncodeToString(blob[:]), "size": size, "path": name}
	if large(name) {
		e["lfs"] = map[string]any{"oid": sum, "size": size, "pointerSize": 130}
	}
	return e
}
