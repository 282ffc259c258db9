package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

const (
	// maxAnswer bounds one answer of the API.
	maxAnswer = 16 << 20
	// maxFiles bounds a listing; a model has a dozen files at its top.
	maxFiles = 10_000
)

// File is a file of a listing.
type File struct {
	Path string `json:"path"`
	Size int64  `json:"size"` // bytes
	// SHA256 of what Git LFS (or its successor) holds, "" of a file in Git
	// itself; Blob is then its hash in Git.
	SHA256 string `json:"sha256,omitempty"`
	Blob   string `json:"blob,omitempty"`
}

// hash names the file's bytes.
func (f File) hash() string {
	if f.SHA256 != "" {
		return f.SHA256
	}
	return f.Blob
}

func (f File) check() error {
	switch {
	case f.Size < 0:
		return fmt.Errorf("%w: %s has %d bytes", errListing, f.Path, f.Size)
	case f.SHA256 != "" && !isHex(f.SHA256, 64):
		return fmt.Errorf("%w: the SHA-256 of %s is %.80q", errListing, f.Path, f.SHA256)
	case f.SHA256 == "" && !isHex(f.Blob, 40):
		return fmt.Errorf("%w: the hash of %s is %.80q", errListing, f.Path, f.Blob)
	}
	return nil
}

// errListing marks an answer of the API that cannot be used.
var errListing = errors.New("the server's listing makes no sense; is HF_ENDPOINT a Hub?")

// listing is what a revision holds, at its top.
type listing struct {
	Commit string `json:"commit"`
	Files  []File `json:"files"`
}

// resolve asks which commit r is, and what files it has.
func (c *Client) resolve(ctx context.Context, r Ref) (listing, error) {
	var answer struct {
		Commit string `json:"sha"`
	}
	parts := append([]string{"api", "models"}, repoParts(r.Repo)...)
	if _, err := c.getJSON(ctx, r, c.at(append(parts, "revision", r.Revision)...), &answer); err != nil {
		return listing{}, err
	}
	if !isCommit(answer.Commit) {
		return listing{}, fmt.Errorf("%w: the commit is %.80q", errListing, answer.Commit)
	}
	if isCommit(r.Revision) && answer.Commit != r.Revision {
		return listing{}, fmt.Errorf("%w: asked for commit %s it names %s", errListing, r.Revision, answer.Commit)
	}
	l := listing{Commit: answer.Commit}
	parts = append([]string{"api", "models"}, repoParts(r.Repo)...)
	for next := c.at(append(parts, "tree", l.Commit)...); next != ""; {
		var err error
		if next, err = c.page(ctx, r, next, &l); err != nil {
			return listing{}, err
		}
	}
	return l, nil
}

// page adds one page of the listing, and returns the address of the next one.
func (c *Client) page(ctx context.Context, r Ref, address string, l *listing) (next string, err error) {
	var entries []struct {
		Type string `json:"type"`
		OID  string `json:"oid"`
		Path string `json:"path"`
		Size int64  `json:"size"`
		LFS  *struct {
			OID  string `json:"oid"`
			Size int64  `json:"size"`
		} `json:"lfs"`
	}
	header, err := c.getJSON(ctx, r, address, &entries)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.Type != "file" {
			continue
		}
		f := File{Path: e.Path, Size: e.Size, Blob: e.OID}
		if e.LFS != nil {
			f = File{Path: e.Path, Size: e.LFS.Size, SHA256: strings.TrimPrefix(e.LFS.OID, "sha256:")}
		}
		l.Files = append(l.Files, f)
	}
	if len(l.Files) > maxFiles || len(entries) == 0 && header.Get("Link") != "" {
		return "", fmt.Errorf("%w: it does not end", errListing)
	}
	return c.nextPage(header.Get("Link"), address)
}

// nextPage reads a Link header (RFC 8288). It stays on the endpoint.
func (c *Client) nextPage(link, address string) (string, error) {
	found := regexp.MustCompile(`<([^<>]+)>; *rel="?next"?`).FindStringSubmatch(link)
	if found == nil {
		return "", nil
	}
	base, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	next, err := base.Parse(found[1])
	if err != nil || origin(next) != origin(c.endpoint) {
		return "", fmt.Errorf("%w: it goes on at %.200q", errListing, found[1])
	}
	return next.String(), nil
}

// getJSON reads an answer of the API, trying again where that may help.
func (c *Client) getJSON(ctx context.Context, r Ref, address string, into any) (header http.Header, err error) {
	nowhere := func() int64 { return 0 }
	brief := *c // a server that is not there is told soon: nothing is lost yet
	brief.options.Attempts = min(c.options.Attempts, 4)
	err = brief.retry(ctx, "ask "+c.endpoint.Host+" for "+r.String(), nowhere, func(ctx context.Context) error {
		data, h, err := c.get(ctx, r, address)
		if err != nil {
			return err
		}
		header = h
		if err := json.Unmarshal(data, into); err != nil {
			return fmt.Errorf("%w: %w", errListing, err)
		}
		return nil
	})
	return header, err
}

func (c *Client) get(ctx context.Context, r Ref, address string) ([]byte, http.Header, error) {
	s := c.newStream(ctx)
	defer s.end(nil)
	res, err := s.open(c.http, address, nil) //nolint:bodyclose // s.end closes it
	if err != nil {
		return nil, nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, nil, c.statusError(res, r, "the list of files")
	}
	data, err := io.ReadAll(io.LimitReader(s, maxAnswer+1))
	if err == nil && len(data) > maxAnswer {
		err = fmt.Errorf("%w: it has more than %d bytes", errListing, maxAnswer)
	}
	return data, res.Header, err
}
