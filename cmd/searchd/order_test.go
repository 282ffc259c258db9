package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/encoder/bundle"
	"sightline/rerank/blend"
)

// orderFile writes a file for --weights or --rules.
func orderFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What a wrong file says comes before anything is served.
func TestOrderUsage(t *testing.T) {
	environ := clitest.Environ(t)
	other := orderFile(t, "weights.json", `{"model": "another", "logit": 1, "cosine": 2}`)
	for want, args := range map[string][]string{
		"nowhere.json: open nowhere":   {"--rules", "nowhere.json"},
		"--weights: open nowhere.json": {"--weights", "nowhere.json"},
		"boost 1 (sale): by 50: use":   {"--rules", orderFile(t, "rules.json", `{"boosts":[{"name":"sale","filter":"price < 5","by":50}]}`)},
		`unknown field "bury"`:         {"--rules", orderFile(t, "rules.json", `{"bury":[]}`)},
		"more than 1048576 bytes":      {"--rules", orderFile(t, "rules.json", strings.Repeat(" ", 3<<20))},
		"they are for model another":   {"--weights", other, "--model", model(t), "--data", t.TempDir()},
	} {
		_, errs, code := searchd(t, environ, append([]string{"--listen", "127.0.0.1:0"}, args...)...)
		if code != cli.ExitUsage || !strings.Contains(errs, want) || !strings.Contains(errs, args[0]) {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
}

// A server keeps to its files, whether a flag or a variable names them.
func TestServedOrder(t *testing.T) {
	environ := clitest.Environ(t)
	args := []string{"--data", data(t, environ, "auto"), "--model", model(t)}
	m, err := bundle.Read(model(t))
	if err != nil {
		t.Fatal(err)
	}
	weights := orderFile(t, "weights.json", fmt.Sprintf(`{"model": %q, "logit": -1, "cosine": 0.5}`, m.Fingerprint))
	rules := orderFile(t, "rules.json", `{"pins":[{"id":"p0007","place":2}]}`)
	question := map[string]any{"text": "a red mug", "limit": 3}
	var plain answer
	t.Run("plain", func(t *testing.T) { plain = serve(t, environ, args...).search(t, question) })
	environ = append(environ, "SIGHTLINE_RULES="+rules)
	s := serve(t, environ, append(args, "--weights", weights)...)
	got := s.search(t, question)
	for i, h := range got.Hits {
		if want := 0.5*h.ITC - *h.Logit; h.Score < want-1e-5 || h.Score > want+1e-5 {
			t.Errorf("hit %d has score %g, want %g", i+1, h.Score, want)
		}
	}
	if got.Hits[1].ID != "p0007" || got.Hits[0].ID == plain.Hits[0].ID || plain.Hits[1].ID == "p0007" {
		t.Errorf("%+v, plainly %+v", got.Hits, plain.Hits)
	}
	for _, want := range []string{"weights in use", "rules in use", "pins=1"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("no %q in the log: %s", want, s.log)
		}
	}
}

// Answers of servers with other files must not be shared.
func TestVariantKnowsTheOrder(t *testing.T) {
	seen := map[string]string{variant(bundle.Manifest{}, order{}): "neither"}
	for name, s := range map[string]cli.Settings{
		"weights":       {Weights: orderFile(t, "a", `{}`)},
		"other weights": {Weights: orderFile(t, "a", `{} `)},
		"rules":         {Rules: orderFile(t, "a", `{}`)},
		"both":          {Weights: orderFile(t, "a", `{}`), Rules: orderFile(t, "b", `{}`)},
	} {
		o, err := readOrder(s)
		if err != nil {
			t.Fatal(err)
		}
		v := variant(bundle.Manifest{}, o)
		if before, ok := seen[v]; ok {
			t.Errorf("%s and %s: both %s", name, before, v)
		}
		seen[v] = name
	}
	var none order
	if w, err := none.weightsFor("", "any"); w != nil || err != nil || len(none.rules.Pins) > 0 {
		t.Errorf("%v, %v", w, err)
	}
	o := order{weights: []byte(`{"model":"m","logit":1,"cosine":1}`)}
	if w, err := o.weightsFor("f", "m"); err != nil || w.Logit != blend.BLIP().Logit {
		t.Errorf("%v, %v", w, err)
	}
}
