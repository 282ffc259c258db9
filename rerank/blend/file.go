package blend

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxFile bounds a file of weights or rules: 64 rules with long filters take 100 KiB.
const maxFile = 1 << 20 // bytes

// ReadWeights reads a weights file for the model of that fingerprint and
// refuses one that was fitted for another. Unknown members are an error: a
// misspelt one would otherwise change the order without a word.
func ReadWeights(r io.Reader, model string) (Weights, error) {
	var file struct { // what must be there is a pointer
		Model, Logit, Cosine *json.RawMessage
	}
	var w Weights
	data, err := readAll(r)
	if err != nil {
		return w, fmt.Errorf("weights: %w", err)
	}
	if err := strict(data, &w); err != nil {
		return Weights{}, fmt.Errorf("weights: %w", err)
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return Weights{}, fmt.Errorf("weights: %w", err)
	}
	switch {
	case file.Logit == nil || file.Cosine == nil:
		return Weights{}, errors.New("weights: logit and cosine must both be there; BLIP's sum has 1 and 1")
	case w.Model == "":
		return Weights{}, errors.New("weights: model is missing: the fingerprint of the model they are for, as 'indexd model info' prints it")
	case w.Model != model:
		return Weights{}, fmt.Errorf("weights: they are for model %s, and this is %s: fit them again with 'searchd eval --fit'", shorten(w.Model), shorten(model))
	}
	if err := w.Validate(); err != nil {
		return Weights{}, err
	}
	return w, nil
}

// WriteWeights writes a weights file. Weights that ReadWeights would refuse are
// an error, and nothing is written.
func WriteWeights(to io.Writer, w Weights) error {
	if w.Model == "" {
		return errors.New("weights: model is missing: name the model they are for")
	}
	if err := w.Validate(); err != nil {
		return err
	}
	data, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	if _, err := to.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("write weights: %w", err)
	}
	return nil
}

func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("more than %d bytes: leave some out", maxFile)
	}
	return data, nil
}

// strict reads one JSON value with no unknown members and nothing behind it.
func strict(data []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the JSON object: remove it")
	}
	return nil
}
