package doctest_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/doctest"
)

// runPage runs a page that needs no server, and says what was wrong.
func runPage(t *testing.T, text string) string {
	t.Helper()
	p, err := doctest.Parse("a.md", text)
	if err != nil {
		t.Fatal(err)
	}
	s := doctest.Setting{Dir: t.TempDir(), Rewrite: strings.NewReplacer("PLACE", "here"), Without: map[string]bool{"python": true}}
	script, err := s.Write(p)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "bash", script)
	c.Dir = s.Dir
	if out, err := c.CombinedOutput(); err != nil {
		return s.Last(p) + string(out)
	}
	var said []string
	for _, err := range s.Check(p) {
		said = append(said, err.Error())
	}
	return strings.Join(said, "\n")
}

func TestSetting(t *testing.T) {
	sh := func(commands string) string { return "```sh\n" + commands + "\n```\n" }
	shown := func(text string) string { return "<!-- output -->\n```text\n" + text + "\n```\n" }
	for _, c := range []struct{ page, want string }{
		{sh("x=PLACE") + sh(`echo "$x"; cat b/c`) + shown("here\nin here") + "<!-- file: b/c -->\n```text\nin PLACE\n```\n", ""},
		{sh("echo a") + shown("b"), "a.md:6: printed was\na\nand not\nb"},
		{sh("echo a") + sh("echo oh >&2; false") + sh("echo b"), "a.md:5:\necho oh >&2; false\n\nprinted: oh"},
		{sh("false; true"), "a.md:2:"},
		{sh("false | true"), "a.md:2:"},
		{sh(`echo "$nothing"`), "nothing: unbound variable"},
		{"<!-- fails -->\n" + sh("echo a; false; echo b") + shown("a"), ""},
		{"<!-- fails -->\n" + sh("true"), "a.md:3:"},
		{"<!-- not run: there is no such thing -->\n" + sh("false"), ""},
		{"```python\nnever\n```\n" + shown("never"), ""},
		{shown("a"), "which is not run"},
	} {
		if got := runPage(t, c.page); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s\n%s\nwant %q", c.page, got, c.want)
		}
	}
}

func TestSettingRefusesTwoFilesOfOneName(t *testing.T) {
	file := "<!-- file: x -->\n```text\na\n```\n"
	p, err := doctest.Parse("a.md", file+file)
	if err != nil {
		t.Fatal(err)
	}
	s := doctest.Setting{Dir: filepath.Join(t.TempDir(), "page"), Rewrite: strings.NewReplacer()}
	if _, err := s.Write(p); err == nil || !strings.Contains(err.Error(), "two files x") {
		t.Errorf("%v", err)
	}
}
