package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"sightline/cmd/internal/cli"
	"sightline/rerank/blend"
)

func orderFlags(fs *pflag.FlagSet) {
	fs.String("weights", "", "weights of match logit and cosine in place of BLIP's plain sum, from 'searchd eval --fit'; refused if they are for another model")
	fs.String("rules", "", "boosts, buries and pins of every search, a JSON file (docs/rerank-blend.md)")
}

// maxOrderFile is above the limit of package blend, which says what to do.
const maxOrderFile = 2 << 20 // bytes

// order is what the files of --weights and --rules say. The zero value is BLIP's.
type order struct {
	weights []byte // to be read when the model is known; nil for none
	rules   blend.Rules
	hash    string // of both files' contents; "" for none
}

// readOrder reads the files, so that a wrong name or rule is told at once.
func readOrder(s cli.Settings) (order, error) {
	var o order
	var err error
	hash := sha256.New()
	if s.Weights != "" {
		if o.weights, err = readOrderFile(s.Weights); err != nil {
			return order{}, cli.Usagef("--weights: %w", err)
		}
		fmt.Fprintf(hash, "weights %d\n%s", len(o.weights), o.weights)
	}
	if s.Rules != "" {
		data, err := readOrderFile(s.Rules)
		if err == nil {
			o.rules, err = blend.ReadRules(bytes.NewReader(data))
		}
		if err != nil {
			return order{}, cli.Usagef("--rules %s: %w", s.Rules, err)
		}
		fmt.Fprintf(hash, "rules %d\n%s", len(data), data)
	}
	if s.Weights != "" || s.Rules != "" {
		o.hash = hex.EncodeToString(hash.Sum(nil))
	}
	return o, nil
}

func readOrderFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxOrderFile))
}

// weightsFor reads the weights for the model of that fingerprint; nil for none.
func (o order) weightsFor(path, fingerprint string) (*blend.Weights, error) {
	if o.weights == nil {
		return nil, nil
	}
	w, err := blend.ReadWeights(bytes.NewReader(o.weights), fingerprint)
	if err != nil {
		return nil, cli.Usagef("--weights %s: %w", path, err)
	}
	return &w, nil
}

// log says what orders pages besides BLIP's sum.
func (o order) log(e cli.Env, w *blend.Weights) {
	if w != nil {
		e.Log.Info("weights in use", "file", e.Weights, "logit", w.Logit, "cosine", w.Cosine, "bias", w.Bias, "features", len(w.Features))
	}
	if e.Rules != "" && o.hash != "" { // eval has neither, whatever the settings say
		e.Log.Info("rules in use", "file", e.Rules, "boosts", len(o.rules.Boosts), "buries", len(o.rules.Buries), "pins", len(o.rules.Pins))
	}
}
