package harness

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// Trial is what rehearsal and soak have in common: the part of their command lines,
// and a folder.
type Trial struct {
	Programs
	Name  string // of the command
	N     int    // items of the demo catalogue
	Rate  float64
	Dir   string // for temporary data; the system's if empty
	Keep  bool
	Again string // raw results to render, in place of a run

	Results, Docs, Commit string // folder of raw results, page, the tree's commit
}

// Flags are those of every trial; usage stands before them in --help.
func (t *Trial) Flags(usage string, out io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet(t.Name, flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() {
		fmt.Fprint(out, usage)
		f.PrintDefaults()
	}
	f.IntVar(&t.N, "n", 200, "items of the demo catalogue")
	f.Float64Var(&t.Rate, "rate", 5, "searches a second of the steady load")
	f.StringVar(&t.Indexd, "indexd", "indexd", "the program")
	f.StringVar(&t.Render, "render", "render", "the program that draws the catalogue")
	f.StringVar(&t.Demo, "demo", "demo/model/retrieval", "the demo model, as a Hugging Face folder")
	f.StringVar(&t.Dir, "dir", "", "folder for temporary data (default: the system's)")
	f.BoolVar(&t.Keep, "keep", false, "leave the folder with data and logs")
	f.StringVar(&t.Results, "results", "", "folder for the raw results, as JSON")
	f.StringVar(&t.Docs, "docs", "", "page whose section is written anew")
	f.StringVar(&t.Again, "file", "", "raw results to render, in place of a run")
	f.StringVar(&t.Commit, "commit", "unknown", "the tree's commit, for the results")
	return f
}

// Within calls do with a folder of its own, which goes when do returns unless it is
// kept.
func (t *Trial) Within(log io.Writer, do func(dir string) error) (err error) {
	dir, err := os.MkdirTemp(t.Dir, "sightline-"+t.Name+"-")
	if err != nil {
		return err
	}
	if t.Keep {
		fmt.Fprintln(log, "data and logs are in", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }() // #nosec G703 -- the folder made above
	}
	return do(dir)
}
