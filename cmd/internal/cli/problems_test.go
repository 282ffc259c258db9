package cli_test

import (
	"errors"
	"fmt"
	"testing"

	"sightline/cmd/internal/cli"
)

func TestProblems(t *testing.T) {
	a, b, c := errors.New("a; b"), cli.Usagef("c"), fmt.Errorf("d: %w, %w", errors.New("e"), errors.New("f"))
	err := cli.Problems(nil, cli.Problems(a, b), errors.Join(nil, c, errors.Join(a)))
	if got := err.Error(); got != "a; b; c; d: e, f; a; b" || cli.ExitCode(err) != cli.ExitUsage || !errors.Is(err, a) || !errors.Is(err, c) {
		t.Errorf("%s, exit code %d", got, cli.ExitCode(err))
	}
	if each := cli.Each(err); len(each) != 4 || each[2].Error() != "d: e, f" {
		t.Errorf("%q", each)
	}
	if err := cli.Problems(nil, nil); err != nil {
		t.Error(err)
	}
	if err := cli.Problems(a); err.Error() != "a; b" || cli.ExitCode(err) != cli.ExitUsage {
		t.Error(err)
	}
}

// TestAllProblems: those of every layer, and of the values, at once.
func TestAllProblems(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "sightline.yaml", "modle: x\nlog_level: y\nthreads: two\nmodel: kept\nbatch: -1\n")
	s, err := cli.Load(flags(t), []string{"SIGHTLINE_SPIN=perhaps"})
	wantUsage(t, err, `"modle"`, `"log_level"`, "'threads'", "SIGHTLINE_* variables: 'spin'")
	if s.Model != "kept" {
		t.Errorf("model %q", s.Model)
	}
	wantUsage(t, cli.Settings{Threads: -1, Batch: -1, Device: "gpu", Cache: "x", CacheMB: -1, Queue: "x", FetchPerHost: -1, Store: "x"}.Check(),
		"--threads", "--batch", "--device", "--cache ", "--cache-mb", "--queue", "--fetch-per-host", "--store")
}

func TestCheckSecrets(t *testing.T) {
	err := cli.CheckSecrets([]string{"SIGHTLINE_A_FILE=/absent/a", "SIGHTLINE_B=secret", "SIGHTLINE_B_FILE=/absent/b", "OTHER_FILE=/absent/c", "SIGHTLINE_D=x"})
	if got := cli.Each(err); len(got) != 2 {
		t.Errorf("%v", err)
	}
}
