// Package encodertest holds what tests of models share: the conformance suite
// of encoder.Runtime and the rule about missing parts.
package encodertest

import (
	"os"
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
