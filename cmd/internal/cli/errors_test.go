package cli_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
)

func TestExitCode(t *testing.T) {
	failure := errors.New("disk full")
	cases := []struct {
		err  error
		want int
	}{
		{nil, 0},
		{failure, 1},
		{context.DeadlineExceeded, 1},
		{fmt.Errorf("two causes: %w, %w", fs.ErrNotExist, failure), 1},
		{cli.Usagef("no such flag"), 2},
		{fmt.Errorf("pairs.jsonl line 3: %w", cli.Usagef("a pair needs an image")), 2},
		{cli.Usage(fs.ErrNotExist), 2},
		{fmt.Errorf("%w: 2 of 7", cli.ErrSomeFailed), 3},
		{fmt.Errorf("import stopped: %w", context.Canceled), 130},
		{errors.Join(nil, context.Canceled), 130},
		{errors.Join(fmt.Errorf("open model: %w", context.Canceled), nil, context.Canceled), 130},
		// What cannot be closed is worse than that the user stopped it.
		{errors.Join(context.Canceled, failure), 1},
		{errors.Join(fmt.Errorf("%w: 2 of 7", cli.ErrSomeFailed), failure), 1},
		{fmt.Errorf("import: %w", errors.Join(context.Canceled, failure)), 1},
		{errors.Join(cli.ErrSomeFailed, context.Canceled), 3},
	}
	for _, c := range cases {
		if got := cli.ExitCode(c.err); got != c.want {
			t.Errorf("exit code %d for %v, want %d", got, c.err, c.want)
		}
	}
}

func TestUsageKeepsItsCause(t *testing.T) {
	if err := cli.Usagef("settings: %w", fs.ErrNotExist); !errors.Is(err, fs.ErrNotExist) || err.Error() != "settings: file does not exist" {
		t.Errorf("got %v", err)
	}
}

func TestReport(t *testing.T) {
	cases := []struct {
		err  error
		want string
		code int
	}{
		{nil, "", 0},
		{errors.New("disk full"), "indexd: disk full\n", 1},
		{fmt.Errorf("open model: %w", context.Canceled), "indexd: interrupted\n", 130},
		{errors.Join(context.Canceled, errors.New("disk full")), "indexd: context canceled\ndisk full\n", 1},
	}
	for _, c := range cases {
		var b strings.Builder
		if code := cli.Report(&b, "indexd", c.err); code != c.code || b.String() != c.want {
			t.Errorf("%v: code %d, %q; want %d, %q", c.err, code, b.String(), c.code, c.want)
		}
	}
}
