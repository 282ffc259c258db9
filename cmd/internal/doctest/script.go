package doctest

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed prelude.sh
var prelude string

// Setting is where a page is run.
type Setting struct {
	Dir     string            // the page's own, empty folder
	Rewrite *strings.Replacer // addresses of the page to those of the test
	Module  string            // folder of the module, for programs in Go
	Without map[string]bool   // languages for which there is no program here
}

// blocks is the folder of what blocks printed, inside of the page's.
const blocks = ".blocks"

func (s Setting) printed(line int) string    { return s.note(line, "out") }
func (s Setting) complained(line int) string { return s.note(line, "err") }
func (s Setting) begun(line int) string      { return s.note(line, "begun") }

func (s Setting) note(line int, kind string) string {
	return filepath.Join(s.Dir, blocks, fmt.Sprintf("%d.%s", line, kind))
}

// suffixes are those of programs.
var suffixes = map[string]string{"python": "py", "js": "mjs", "go": "go"}

// Write writes the script of a page, and the files and programs that it needs,
// and returns the script's path.
func (s Setting) Write(p Page) (string, error) {
	if err := os.MkdirAll(filepath.Join(s.Dir, blocks), 0o755); err != nil {
		return "", fmt.Errorf("make the page's folder: %w", err)
	}
	var b strings.Builder
	b.WriteString(prelude)
	for _, block := range p.Blocks {
		command, err := s.command(block)
		if err != nil {
			return "", err
		}
		if command != "" {
			fmt.Fprintf(&b, "\n: >%q\n%s\n", s.begun(block.Line), command)
		}
	}
	path := filepath.Join(s.Dir, blocks, "script")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return "", fmt.Errorf("write the page's script: %w", err)
	}
	return path, nil
}

// command is what the script does for a block; "" for nothing.
func (s Setting) command(b Block) (string, error) {
	text := s.Rewrite.Replace(b.Text)
	into := fmt.Sprintf(">%q 2>%q", s.printed(b.Line), s.complained(b.Line))
	switch {
	case b.Use == File:
		if _, err := os.Stat(filepath.Join(s.Dir, b.Name)); err == nil {
			return "", fmt.Errorf("line %d: the page has two files %s", b.Line, b.Name)
		}
		return "", s.write(b.Name, text)
	case b.Use == Fails:
		return fmt.Sprintf("set +e\n( set -e\n%s\n) %s\nstatus=$?\nset -e\n[ $status -ne 0 ]", text, into), nil
	case b.Use != Run || s.Without[b.Language]:
		return "", nil
	case b.Language == "sh":
		return fmt.Sprintf("{\n%s\n} %s", text, into), nil
	}
	name := filepath.Join(blocks, fmt.Sprintf("%d.%s", b.Line, suffixes[b.Language]))
	path := filepath.Join(s.Dir, name)
	run := map[string]string{
		"python": fmt.Sprintf("python3 %q", path), "js": fmt.Sprintf("node %q", path),
		"go": fmt.Sprintf("go build -C %q -o %q %q\n%[2]q", s.Module, path+".bin", path),
	}
	return fmt.Sprintf("{\n%s\n} %s", run[b.Language], into), s.write(name, text)
}

func (s Setting) write(path, text string) error {
	path = filepath.Join(s.Dir, path)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write a block: %w", err)
	}
	return nil
}

// Check compares what a page's blocks printed with what it shows.
func (s Setting) Check(p Page) []error {
	var errs []error
	for i, b := range p.Blocks {
		if b.Use != Output || s.Without[p.Blocks[max(i-1, 0)].Language] {
			continue
		}
		if i == 0 || p.Blocks[i-1].Use != Run && p.Blocks[i-1].Use != Fails {
			errs = append(errs, fmt.Errorf("%s:%d: this is said to be the output of the block before, which is not run", p.Path, b.Line))
			continue
		}
		printed, err := os.ReadFile(s.printed(p.Blocks[i-1].Line))
		if err == nil {
			err = Match(b.Language, s.Rewrite.Replace(b.Text), string(printed))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", p.Path, b.Line, err))
		}
	}
	return errs
}

// Last is the block that was begun last, and what it printed: of a script that
// failed, where and why.
func (s Setting) Last(p Page) string {
	for i := len(p.Blocks) - 1; i >= 0; i-- {
		b := p.Blocks[i]
		if _, err := os.Stat(s.begun(b.Line)); err != nil {
			continue
		}
		out, _ := os.ReadFile(s.printed(b.Line)) // "" where it printed nothing
		errs, _ := os.ReadFile(s.complained(b.Line))
		return fmt.Sprintf("%s:%d:\n%s\nprinted: %s%s", p.Path, b.Line, b.Text, shorten(string(out)), shorten(string(errs)))
	}
	return p.Path + ": no block was begun"
}
