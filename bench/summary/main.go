// Command summary writes the answers in short: the table by question at the top of
// docs/benchmarks.md and the README's figures, from the raw results that the sections
// of the pages name. It measures nothing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"sightline/bench/report"
)

const usage = `Writes the table by question of docs/benchmarks.md and the figures of README.md from
the raw results that the pages' sections name, and says which sentences of other
pages no longer agree with them.

  make bench-summary                 writes both pages
  go run ./bench/summary -print      prints what they would get

`

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "summary:", err) // there is nowhere else to tell
		os.Exit(1)
	}
}

func run(args []string, out, errs io.Writer) error {
	f := flag.NewFlagSet("summary", flag.ContinueOnError)
	f.SetOutput(errs)
	f.Usage = func() {
		fmt.Fprint(errs, usage)
		f.PrintDefaults()
	}
	root := f.String("root", ".", "root of the repository")
	only := f.Bool("print", false, "write no page")
	if err := report.Parse(f, args); err != nil {
		return err
	}
	b, err := open(*root)
	if err != nil {
		return err
	}
	for page, text := range b.sections() {
		path := filepath.Join(*root, filepath.FromSlash(page))
		if *only {
			path = ""
		}
		if err := report.Show(out, name, text, path); err != nil {
			return err
		}
	}
	return errors.Join(b.err(), b.disagreements())
}

// name is that of the sections and of the make target.
const name = "summary"

// sections are what the pages get, by their paths.
func (b *book) sections() map[string]string {
	return map[string]string{"docs/benchmarks.md": b.byQuestion(), "README.md": b.readme()}
}
