package doctest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/doctest"
)

func TestParse(t *testing.T) {
	p, err := doctest.Parse("a.md", "# A\n\n<!-- setup\ncd /\n-->\n```sh\ncurl x\n```\n\n<!-- output -->\n```json\n{\"a\": …}\n```\n"+
		"<!-- file: b/c.csv -->\n```csv\na,b\n```\n<!-- fails -->\n```sh\nfalse\n```\n<!-- not run: needs a moon -->\n```sh\nfly\n```\n<!-- by others -->\ntext\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range p.Blocks {
		got = append(got, fmt.Sprint(b.Line, " ", b.Language, " ", b.Use, " ", b.Name, " ", strings.TrimSpace(b.Text)))
	}
	want := []string{"4 sh run  cd /", "7 sh run  curl x", "12 json output  {\"a\": …}", "16 csv file b/c.csv a,b", "20 sh fails  false", "24 sh excused needs a moon fly"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"```\nls\n```\n":                                   "a fence names its language",
		"```ruby\nputs\n```\n":                             "a fence names its language",
		"```text\ncurl http://x\n```\n":                    "a command in a block of text",
		"```go\nx := 1\n```\n":                             "a whole program",
		"```json\n{\"a\": }\n```\n":                        "no JSON",
		"```sh\nls\n":                                      "has no end",
		"<!-- setup\nls\n":                                 "has no end",
		"<!-- output -->\ntext\n```sh\nls\n```\n":          "here is text",
		"<!-- output -->\n":                                "belongs to no block",
		"<!-- not run: x -->\n```sh\nls\n```\n":            "is none of",
		"<!-- outputs -->\n```json\n{}\n```\n":             "is none of",
		"ok\n\n```sh\nls\n```\n\n```\n{}\n```\nand more\n": "a.md:7: ",
	} {
		if _, err := doctest.Parse("a.md", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		language, shown, printed string
		want                     bool
	}{
		{"text", "a  b\n", "a b\n\n", true},
		{"text", "a … c", "a bb c", true},
		{"text", "a\n…\nd", "a\nb\nc\nd", true},
		{"text", "a\n…\nd", "a\nd", true},
		{"text", "a", "a\nb", false},
		{"text", "a.c", "abc", false},
		{"json", `{"a": 1, "b": [1, …], …}`, `{"a": 2.5, "b": [7, 8], "c": 0}`, true},
		{"json", `{"a": "p-…"}`, `{"a": "p-12"}`, true},
		{"json", `{"a": …}`, `{"a": null}`, true},
		{"json", `{"a": 1}`, `{"a": "1"}`, false},
		{"json", `{"a": 1}`, `{"b": 1}`, false},
		{"json", `{"a": true}`, `{"a": false}`, false},
		{"json", `{"a": "x"}`, `{"a": "xy"}`, false},
		{"json", `[1, 2]`, `[1]`, false},
		{"json", `{"a": {…}}`, `{"a": 1}`, false},
		{"json", `{"a": 1}`, `{"z": 0}{"a": 5}`, true},
		{"jsonl", "{\"a\": 1}\n…\n", `{"a": 5}`, true},
		{"json", `{"a": 1} {"a": 1}`, `{"a": 5}`, false},
		{"json", `{"a": 1}`, `oh`, false},
	} {
		if err := doctest.Match(c.language, c.shown, c.printed); (err == nil) != c.want {
			t.Errorf("%s, %s: %v", c.shown, c.printed, err)
		}
	}
}

func TestCheckLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "b.md"), []byte("# What & why: `k`?\n```sh\n# no heading\n```\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, want := range map[string]string{
		"[b](b.md)": "", "[b](b.md#what--why-k)": "", "[a](#a-b)": "", "[x](https://x.example/y)": "", "`[a](b)`": "",
		"[b](c.md)": "no such file", "![p](p.png)": "no such file", "[b](b.md#no-heading)": "no heading", "[a](#b)": "no heading",
	} {
		p := doctest.Page{Path: filepath.Join(dir, "a.md"), Text: "## A b\n" + link + "\n"}
		err := doctest.CheckLinks(p)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", link, err, want)
		}
	}
}
