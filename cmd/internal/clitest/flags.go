package clitest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// WriteDocs is the variable that lets Flags write the page in place of comparing it.
const WriteDocs = "SIGHTLINE_TEST_WRITE_DOCS"

var (
	flagLine    = regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z0-9-]+)(?: (\w+))?   +(\S.*)$`)
	coreDefault = regexp.MustCompile(`^(--threads .*)\(default \d+\)$`) // as many as the machine has
)

// Flags compares the section of a program in docs/flags.md, a table of all flags of all
// its commands, with what its help says. help is as for Help.
func Flags(t *testing.T, program string, help func(args ...string) string) {
	t.Helper()
	of, order := map[string][]string{}, []string{} // commands by row
	gatherFlags(help, nil, func(row string, command []string) {
		if of[row] == nil {
			order = append(order, row)
		}
		of[row] = append(of[row], strings.TrimSpace(program+" "+strings.Join(command, " ")))
	})
	slices.Sort(order)
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- %s: written by its tests (%s=1 go test -run Flags ./cmd/%[1]s); edits are lost -->\n| flag | | of |\n|---|---|---|\n", program, WriteDocs)
	for _, row := range order {
		flag, what, _ := strings.Cut(row, "\n")
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", flag, strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(what), strings.Join(of[row], ", "))
	}
	end := "<!-- end of " + program + " -->"
	path := filepath.Join("..", "..", "docs", "flags.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), "<!-- "+program+": ")
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no section of %s", path, program)
	}
	want := before + b.String() + end + after
	switch {
	case want == string(page):
	case os.Getenv(WriteDocs) != "":
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // the project's own page
			t.Fatal(err)
		}
	default:
		t.Errorf("%s does not say what %s --help says: run %s=1 go test -run Flags ./cmd/%s", path, program, WriteDocs, program)
	}
}

// gatherFlags tells each flag of each command, but for --help and cobra's own commands.
func gatherFlags(help func(args ...string) string, command []string, tell func(row string, command []string)) {
	page := help(command...)
	for _, m := range flagLine.FindAllStringSubmatch(page, -1) {
		row := strings.TrimSpace(m[1]+" "+m[2]) + "\n" + m[3]
		if c := coreDefault.FindStringSubmatch(m[1] + " " + m[3]); c != nil {
			row = strings.TrimSpace(m[1]+" "+m[2]) + "\n" + strings.TrimPrefix(c[1], m[1]+" ") + "(default: as many as there are cores)"
		}
		if m[1] != "--help" {
			tell(row, command)
		}
	}
	_, list, _ := strings.Cut(page, "Available Commands:")
	list, _, _ = strings.Cut(list, "\n\n")
	for _, m := range commandLine.FindAllStringSubmatch(list, -1) {
		if name := m[1]; name != "help" && name != "completion" {
			gatherFlags(help, append(slices.Clone(command), name), tell)
		}
	}
}
