package doctest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	linkPattern    = regexp.MustCompile(`!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)`)
	fencePattern   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	codePattern    = regexp.MustCompile("`[^`\n]*`")
	headingPattern = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	markPattern    = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// Targets are the addresses of a page's links and pictures, in their order.
func (p Page) Targets() []string {
	text := codePattern.ReplaceAllString(fencePattern.ReplaceAllString(p.Text, ""), "")
	var found []string
	for _, m := range linkPattern.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// Anchors are the names of a page's headings, as GitHub makes them.
func (p Page) Anchors() map[string]bool {
	found := map[string]bool{}
	for _, m := range headingPattern.FindAllStringSubmatch(fencePattern.ReplaceAllString(p.Text, ""), -1) {
		name := linkPattern.ReplaceAllStringFunc(m[1], func(link string) string { return strings.SplitN(strings.Trim(link, "!["), "]", 2)[0] })
		name = markPattern.ReplaceAllString(strings.ToLower(name), "")
		found[strings.ReplaceAll(name, " ", "-")] = true
	}
	return found
}

// CheckLinks says which links of pages lead nowhere: files that are not there,
// and headings that the file has not. Addresses of other machines are not asked.
func CheckLinks(pages ...Page) error {
	var errs []error
	anchors := map[string]map[string]bool{} // of files that links lead to
	for _, p := range pages {
		for _, target := range p.Targets() {
			u, err := url.Parse(target)
			if err == nil && u.Scheme == "" {
				err = checkLink(p, u, anchors)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: link to %s: %w", p.Path, target, err))
			}
		}
	}
	return errors.Join(errs...)
}

func checkLink(p Page, u *url.URL, anchors map[string]map[string]bool) error {
	path := p.Path
	if u.Path != "" {
		path = filepath.Join(filepath.Dir(p.Path), filepath.FromSlash(u.Path))
		if _, err := os.Stat(path); err != nil { //nolint:gosec // pages are the project's own
			return fmt.Errorf("there is no such file: %w", err)
		}
	}
	if u.Fragment == "" || filepath.Ext(path) != ".md" {
		return nil
	}
	if anchors[path] == nil {
		text := p.Text
		if path != p.Path {
			data, err := os.ReadFile(path) //nolint:gosec // as above
			if err != nil {
				return fmt.Errorf("read it: %w", err)
			}
			text = string(data)
		}
		anchors[path] = Page{Text: text}.Anchors()
	}
	if !anchors[path][u.Fragment] {
		return fmt.Errorf("that page has no heading %q", u.Fragment)
	}
	return nil
}
