package report

import (
	"flag"
	"fmt"
	"io"
)

// Parse reads the flags of a benchmark, which takes nothing else.
func Parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%q is not a flag; --help shows them", f.Arg(0))
	}
	return nil
}

// Again shows the results of an earlier run, which are in file: section makes
// of them the name and the text that Show takes.
func Again[R any](out io.Writer, file, page string, section func(*R) (name, text string)) error {
	var r R
	if err := Read(file, &r); err != nil {
		return err
	}
	name, text := section(&r)
	return Show(out, name, text, page)
}
