package hub

import (
	"fmt"
	"regexp"
	"strings"
)

// DefaultRevision is what is fetched where none is named.
const DefaultRevision = "main"

// maxRevision bounds a revision's name: it becomes a file name, escaped.
const maxRevision = 80

// Ref names a revision of a model repository.
type Ref struct {
	Repo     string // "owner/name", or "name" of one without an owner
	Revision string // a branch, a tag, a commit, or refs/pr/N
}

// ParseRef reads REPO or REPO@REVISION.
func ParseRef(text string) (Ref, error) {
	repo, revision, named := strings.Cut(text, "@")
	if !named {
		revision = DefaultRevision
	}
	r := Ref{Repo: repo, Revision: revision}
	return r, r.check()
}

// check keeps what becomes part of addresses and paths to harmless characters.
func (r Ref) check() error {
	parts := strings.Split(r.Repo, "/")
	if len(parts) > 2 {
		return fmt.Errorf("repository %q: write OWNER/NAME, as at the top of the model's page, without the server's address (that is HF_ENDPOINT)", r.Repo)
	}
	name := regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?$`)
	for _, part := range parts {
		if !name.MatchString(part) || strings.Contains(part, "..") || strings.Contains(part, "--") {
			return fmt.Errorf("repository %q: write OWNER/NAME, of letters, digits and single . _ - between them", r.Repo)
		}
	}
	revision := regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+-]*$`)
	if !revision.MatchString(r.Revision) || len(r.Revision) > maxRevision || strings.Contains(r.Revision, "..") {
		return fmt.Errorf("revision %q: give a branch, a tag, a commit or refs/pr/N, of at most %d characters", r.Revision, maxRevision)
	}
	return nil
}

// String is REPO@REVISION.
func (r Ref) String() string { return r.Repo + "@" + r.Revision }

func isCommit(text string) bool { return isHex(text, 40) }

func isHex(text string, digits int) bool {
	return len(text) == digits && strings.Trim(text, "0123456789abcdef") == ""
}
