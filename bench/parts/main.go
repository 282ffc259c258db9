// Command parts times parts alone with the Go benchmarks that stand beside the code:
// the stores of vectors, patch states, keys and answers, the queue, fetching, pictures
// and texts. Raw results and a section of docs/benchmarks.md come of it.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"sightline/bench/report"
)

const usage = `Runs Go benchmarks of parts alone, several times each, and keeps the least of them: what
else the machine did can only add.

  make bench-parts                         about 5 minutes on 2 cores
  go run ./bench/parts -only picture       some packages, by a part of their path
  go run ./bench/parts -file FILE -docs docs/benchmarks.md
                                           the tables of an earlier run

`

// name is that of this benchmark's section, folder and make target.
const name = "parts"

// suites are the packages and which of their benchmarks say something by themselves.
var suites = [][2]string{
	{"./store/embedded", "Upsert|Reads|Open|Memory"},
	{"./store/features", "Get|Put|Open"},
	{"./store/cache", "FetchHit|Key|Memory|Redis"},
	{"./store/keys", "Find"},
	{"./store/filter", "Match|Parse"},
	{"./store/fetch", "Get|NotModified|Refuse"},
	{"./indexer/queue/...", "Queue"},
	{"./indexer/feed", "Read"},
	{"./rerank/blend", "Order"},
	{"./api", "Access|SearchOverhead|LargestPicture"},
	{"./encoder/picture", "."},
	{"./encoder/wordpiece", "."},
	{"./encoder", "Expand|Pool|Quantize"},
	{"./encoder/decode", "Step"},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // the root
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "parts:", err) // there is nowhere else to tell
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(errs)
	f.Usage = func() {
		fmt.Fprint(errs, usage)
		f.PrintDefaults()
	}
	runs := f.Int("runs", 3, "how often each is run")
	each := f.Duration("each", 300*time.Millisecond, "how long a run is")
	only := f.String("only", "", "packages whose path has this")
	dir := f.String("results", "", "folder for the raw results, as JSON")
	docs := f.String("docs", "", "page whose section is written anew")
	file := f.String("file", "", "raw results to render, in place of a run")
	if err := report.Parse(f, args); err != nil {
		return err
	}
	if *runs < 1 || *each <= 0 {
		return errors.New("-runs and -each must be above 0")
	}
	if *file != "" {
		return report.Again(out, *file, *docs, func(r *results) (string, string) { return name, section(r, *file) })
	}
	r, err := measure(ctx, *only, []string{"-count", fmt.Sprint(*runs), "-benchtime", each.String()}, errs)
	if err != nil {
		return err
	}
	path := ""
	if *dir != "" {
		if path, err = report.Write(*dir, r.Date, r.Machine, r); err != nil {
			return err
		}
	}
	return report.Show(out, name, section(r, path), *docs)
}

func measure(ctx context.Context, only string, flags []string, log io.Writer) (*results, error) {
	r := &results{Date: time.Now().UTC(), Commit: "unknown", Flags: strings.Join(flags, " ")}
	if commit, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		r.Commit = strings.TrimSpace(string(commit))
	}
	var err error
	if r.Machine, err = report.ThisMachine(); err != nil {
		return nil, err
	}
	for _, s := range suites {
		if !strings.Contains(s[0], only) {
			continue
		}
		fmt.Fprintln(log, s[0])
		args := append([]string{"test", "-run", "^$", "-bench", s[1], "-benchmem"}, flags...)
		var text, errs bytes.Buffer
		c := exec.CommandContext(ctx, "go", append(args, s[0])...) // #nosec G204 -- packages of this list
		c.Stdout, c.Stderr = &text, &errs
		if err := c.Run(); err != nil {
			return nil, fmt.Errorf("benchmarks of %s: %w: %s%s", s[0], err, text.Bytes(), errs.Bytes())
		}
		r.Rows = append(r.Rows, read(text.String())...)
	}
	if len(r.Rows) == 0 {
		return nil, fmt.Errorf("no package has %q in its path", only)
	}
	return r, nil
}
