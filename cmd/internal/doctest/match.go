package doctest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Match says where what was printed is not what a page shows.
func Match(language, shown, printed string) error {
	if language == "json" || language == "jsonl" {
		return matchJSON(shown, printed)
	}
	return matchText(shown, printed)
}

// wildcard is a place at which anything may stand.
const wildcard = "…"

var spaces = regexp.MustCompile(`\s+`)

// matchText compares by line; runs of spaces are alike. A line that is … stands
// for any number of lines.
func matchText(shown, printed string) error {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(shown), "\n") {
		if line = strings.TrimSpace(line); line == wildcard {
			b.WriteString(`(.*\n)*`)
			continue
		}
		line = regexp.QuoteMeta(spaces.ReplaceAllString(line, " "))
		b.WriteString(strings.ReplaceAll(line, wildcard, `.*`) + `\n`)
	}
	var got strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(printed), "\n") {
		got.WriteString(spaces.ReplaceAllString(strings.TrimSpace(line), " ") + "\n")
	}
	pattern, err := regexp.Compile("^(?:" + b.String() + ")$")
	if err != nil {
		return fmt.Errorf("make a pattern of the text: %w", err)
	}
	if !pattern.MatchString(got.String()) {
		return fmt.Errorf("printed was\n%sand not\n%s", got.String(), shown)
	}
	return nil
}

// matchJSON compares with the last values that were printed: fields that are
// shown are there, of the same kind, and texts and truth values are the same.
func matchJSON(shown, printed string) error {
	want, err := values(shown)
	if err != nil {
		return err
	}
	got, err := values(printed)
	if err != nil {
		return fmt.Errorf("printed was %s: %w", shorten(printed), err)
	}
	if len(got) < len(want) {
		return fmt.Errorf("%d values were printed, %d are shown: %s", len(got), len(want), shorten(printed))
	}
	for i, w := range want {
		if err := compare(w, got[len(got)-len(want)+i], "$"); err != nil {
			return fmt.Errorf("%w in %s", err, shorten(printed))
		}
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 1500 {
		return s[:1500] + " and more"
	}
	return s
}

// left are places where … stands for something left out, outside of texts.
var left = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`:\s*…`), `:"…"`},
	{regexp.MustCompile(`,\s*…`), ``},
	{regexp.MustCompile(`\[\s*…\s*\]`), `[]`},
	{regexp.MustCompile(`\{\s*…\s*\}`), `{}`},
	{regexp.MustCompile(`(?m)^…$`), ``},
}

// values reads JSON values that follow each other, with … for what is left out.
func values(text string) ([]any, error) {
	for _, l := range left {
		text = l.pattern.ReplaceAllString(text, l.with)
	}
	var all []any
	d := json.NewDecoder(strings.NewReader(text))
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("this is no JSON (… may stand for what is left out): %w", err)
		}
		all = append(all, v)
	}
}

func compare(want, got any, path string) error {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is %v, not an object", path, got)
		}
		for name, each := range w {
			value, there := g[name]
			if !there {
				return fmt.Errorf("%s has no %q", path, name)
			}
			if err := compare(each, value, path+"."+name); err != nil {
				return err
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) < len(w) {
			return fmt.Errorf("%s is %v, not an array of %d or more", path, got, len(w))
		}
		for i, each := range w {
			if err := compare(each, g[i], fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	default:
		return compareScalar(want, got, path)
	}
	return nil
}

func compareScalar(want, got any, path string) error {
	switch w := want.(type) {
	case float64:
		if _, ok := got.(float64); !ok {
			return fmt.Errorf("%s is %v, not a number", path, got)
		}
	case string:
		if w == wildcard {
			return nil
		}
		g, ok := got.(string)
		if pattern := strings.ReplaceAll(regexp.QuoteMeta(w), wildcard, `.*`); !ok || !regexp.MustCompile("(?s)^"+pattern+"$").MatchString(g) {
			return fmt.Errorf("%s is %v, not %q", path, got, w)
		}
	default:
		if want != got {
			return fmt.Errorf("%s is %v, not %v", path, got, want)
		}
	}
	return nil
}
