// Package encodertest holds what tests of models share: the conformance suite
// of encoder.Runtime and the rule about missing parts.
package encodertest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// RequireVariable lists, by commas, the parts that must not be missing: a test
// that would skip for one of them fails instead. CI sets it to all of them.
const RequireVariable = "SIGHTLINE_TEST_REQUIRE"

// Missing ends a test for lack of part, with a line that names the fix: it
// skips on a user's machine and fails where RequireVariable lists the part.
func Missing(t testing.TB, part string, cause error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv(RequireVariable), ","), part) {
		t.Fatalf("%s is missing, and %s says that it must be here: %v", part, RequireVariable, cause)
	}
	t.Skipf("%s is missing: %v", part, cause)
}

// Program is what variable names, else the program in the newest environment
// PART-VERSION that scripts/get-PART.sh has put whole into the cache folder.
func Program(variable, part, program string) (string, error) {
	if named := os.Getenv(variable); named != "" {
		return exec.LookPath(named)
	}
	cache := os.Getenv("SIGHTLINE_CACHE_DIR")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(dir, "sightline")
	}
	found, err := filepath.Glob(filepath.Join(cache, part+"-*", "complete"))
	if err != nil || len(found) == 0 {
		return "", errors.Join(err, fmt.Errorf("%s in %s: %w (run scripts/get-%s.sh, or set %s)", part, cache, os.ErrNotExist, part, variable))
	}
	return filepath.Join(filepath.Dir(slices.Max(found)), "bin", program), nil
}
