package doctest

import (
	"fmt"
	"slices"
	"strings"
)

// What a block is for.
const (
	Data    = "data"    // shown, and checked as far as it has a form
	Run     = "run"     // commands or a program
	Fails   = "fails"   // commands that end with an error
	Output  = "output"  // what the block before printed
	File    = "file"    // written to Name
	Excused = "excused" // not run, for the reason in Name
)

// unknown is a comment that is none of ours. Before text it is somebody else's.
const unknown = "unknown"

// Block is a fenced block of a page, or a comment with commands.
type Block struct {
	Line     int // of the text's first line, from 1
	Language string
	Text     string // lines with their ends
	Use      string
	Name     string // of a File; the reason of an Excused one
}

// Page is a file of Markdown.
type Page struct {
	Path   string // as it was given to Parse
	Text   string
	Blocks []Block
}

// languages are those that a fence may name, and whether they are run.
var languages = map[string]bool{
	"sh": true, "python": true, "js": true, "go": true,
	"json": false, "jsonl": false, "csv": false, "xml": false, "yaml": false, "html": false, "graphql": false, "text": false,
}

// parser goes through the lines of a page.
type parser struct {
	page  *Page
	lines []string
	at    int
	next  Block // what a comment said of the next block
}

// Parse reads a page. All that is wrong with its blocks is in the error.
func Parse(path, text string) (Page, error) {
	p := parser{page: &Page{Path: path, Text: text}, lines: strings.SplitAfter(text, "\n")}
	var errs []string
	for p.at < len(p.lines) {
		if err := p.step(); err != nil {
			errs = append(errs, err.Error())
		}
	}
	if p.next.Use != "" && p.next.Use != unknown {
		errs = append(errs, fmt.Sprintf("%s: a comment at the end belongs to no block", path))
	}
	if errs != nil {
		return *p.page, fmt.Errorf("%s", strings.Join(errs, "\n"))
	}
	return *p.page, nil
}

func (p *parser) step() error {
	line := strings.TrimSpace(p.lines[p.at])
	switch {
	case strings.HasPrefix(line, "```"):
		return p.fence(strings.TrimSpace(strings.TrimLeft(line, "`")))
	case strings.HasPrefix(line, "<!--"):
		return p.comment()
	case line != "" && p.next.Use != "":
		foreign := p.next.Use == unknown
		p.next = Block{}
		if foreign {
			break
		}
		return p.errorf("a comment belongs to the block right after it, and here is text")
	}
	p.at++
	return nil
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", p.page.Path, min(p.at+1, len(p.lines)), fmt.Sprintf(format, args...))
}

// until takes lines as far as the one that ends with a mark, and passes it.
func (p *parser) until(mark string) (text string, ended bool) {
	var b strings.Builder
	for ; p.at < len(p.lines); p.at++ {
		if rest, ok := strings.CutSuffix(strings.TrimSpace(p.lines[p.at]), mark); ok {
			b.WriteString(rest)
			p.at++
			return b.String(), true
		}
		b.WriteString(p.lines[p.at])
	}
	return b.String(), false
}

func (p *parser) fence(language string) error {
	b := p.next
	p.next = Block{}
	p.at++
	b.Line, b.Language = p.at+1, language
	text, ended := p.until("```")
	b.Text = text
	if !ended {
		return p.errorf("the block of line %d has no end", b.Line-1)
	}
	runs, known := languages[language]
	switch {
	case b.Use == unknown:
		return fmt.Errorf("%s:%d: %q before a block is none of setup, output, fails, file: NAME, not run: WHY", p.page.Path, b.Line-1, b.Name)
	case !known:
		return fmt.Errorf("%s:%d: a fence names its language, one of %s; not %q", p.page.Path, b.Line-1, strings.Join(languageNames(), ", "), language)
	case b.Use == "" && runs:
		b.Use = Run
	case b.Use == "":
		b.Use = Data
	}
	p.page.Blocks = append(p.page.Blocks, b)
	return b.check(p.page.Path)
}

func languageNames() []string {
	var names []string
	for name := range languages {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// commands begin lines that nobody should take for data.
var commands = []string{"curl ", "indexd ", "searchd ", "bin/", "make ", "$ "}

func (b Block) check(path string) error {
	switch {
	case b.Use == Run && b.Language == "go" && !strings.HasPrefix(b.Text, "package main"):
		return fmt.Errorf("%s:%d: a Go block is a whole program, or has a comment <!-- not run: WHY -->", path, b.Line)
	case b.Use != Data && b.Use != Excused:
		return nil
	}
	if b.Language == "json" && b.Use == Data {
		if _, err := values(b.Text); err != nil {
			return fmt.Errorf("%s:%d: %w", path, b.Line, err)
		}
	}
	for i, line := range strings.Split(b.Text, "\n") {
		if b.Use == Data && slices.ContainsFunc(commands, func(c string) bool { return strings.HasPrefix(line, c) }) {
			return fmt.Errorf("%s:%d: a command in a block of %s: call it sh, and it is run", path, b.Line+i, b.Language)
		}
	}
	return nil
}

// comment reads one comment. Those that are none of ours are passed over.
func (p *parser) comment() error {
	first := p.at + 1
	text, ended := p.until("-->")
	if !ended {
		return p.errorf("the comment of line %d has no end", first)
	}
	text = strings.TrimPrefix(strings.TrimSpace(text), "<!--")
	word, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	name, value, _ := strings.Cut(strings.TrimSpace(word), ":")
	value = strings.TrimSpace(value)
	switch {
	case name == "setup":
		p.page.Blocks = append(p.page.Blocks, Block{Line: first + 1, Language: "sh", Text: rest + "\n", Use: Run})
		return nil
	case name == "output":
		p.next.Use = Output
	case name == "fails":
		p.next.Use = Fails
	case name == "file" && value != "":
		p.next.Use, p.next.Name = File, value
	case name == "not run" && len(value) >= 10:
		p.next.Use, p.next.Name = Excused, value
	default:
		p.next.Use, p.next.Name = unknown, word
	}
	return nil
}
