package cli

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/spf13/pflag"

	"sightline/encoder"
	"sightline/indexer"
	"sightline/indexer/labels"
	"sightline/store"
	"sightline/store/filter"
)

// LabelsFlag adds the flag of every command that gives labels or heeds them.
func LabelsFlag(fs *pflag.FlagSet) {
	fs.String("labels", "", "YAML file with labels that pictures are given; the settings file may have the list itself (docs/labels.md)")
}

// HideFlag adds that of serving.
func HideFlag(fs *pflag.FlagSet) {
	fs.Bool("hide-unlabelled", false, "leave items that nobody has labelled yet out of searches, as those with a label that hides them")
}

// attributePrefix begins the names of attributes in a filter's tree.
const attributePrefix = "attributes."

// maxLabelsFile is far above the limits of package labels.
const maxLabelsFile = 1 << 20 // bytes

// LabelSet is the list of the settings, or of the file that they name; nil for none.
func (s Settings) LabelSet() (labels.Set, error) {
	switch value := s.Labels.(type) {
	case nil:
		return nil, nil
	case string:
		if value == "" {
			return nil, nil
		}
		set, err := readLabels(value)
		if err != nil {
			return nil, Usagef("--labels %s: %w", value, err)
		}
		return set, nil
	default:
		set, err := labels.Parse(value)
		if err != nil {
			return nil, Problems(Each(err)...)
		}
		return set, nil
	}
}

func readLabels(path string) (labels.Set, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLabelsFile))
	if err != nil {
		return nil, err
	}
	fields, err := yaml.Parser().Unmarshal(data)
	if err != nil {
		return nil, err
	}
	if _, ok := fields["labels"]; !ok || len(fields) != 1 {
		return nil, errors.New(`must have a list under "labels", and nothing else`)
	}
	set, err := labels.Parse(fields["labels"])
	if err != nil {
		return nil, several(Each(err))
	}
	return set, nil
}

// checkLabels is Check's part for a list in the settings file. One in a file of its
// own is read by the commands that use it.
func (s Settings) checkLabels(p *problems) {
	if list, ok := s.Labels.([]any); ok {
		_, err := labels.Parse(list)
		*p = append(*p, Each(err)...)
		return
	}
	_, file := s.Labels.(string)
	p.add(s.Labels != nil && !file, "labels: must be a list of labels, or the name of a file with one")
}

// OpenScorer is what judges pictures by the labels of the settings; nil for none.
func OpenScorer(s Settings, m *encoder.Model, log *slog.Logger) (*labels.Scorer, error) {
	set, err := s.LabelSet()
	if err != nil || set == nil {
		return nil, err
	}
	return newScorer(set, m, log, false)
}

// AnyScorer is OpenScorer for thresholds that are about to be fitted anew.
func AnyScorer(s Settings, m *encoder.Model, log *slog.Logger) (*labels.Scorer, error) {
	set, err := s.LabelSet()
	if err != nil || set == nil {
		return nil, err
	}
	return newScorer(set, m, log, true)
}

func newScorer(set labels.Set, m *encoder.Model, log *slog.Logger, anyModel bool) (*labels.Scorer, error) {
	scorer, err := labels.NewScorer(set, m, anyModel)
	if err != nil {
		return nil, Problems(Each(err)...)
	}
	for _, text := range scorer.Unknown(m.Manifest().Tokenizer.Unk) {
		log.Warn("a label's text has words that the model's vocabulary lacks: what it finds means nothing", "text", text)
	}
	return scorer, nil
}

// LabelParts puts the labels of the settings into an import, where there are some.
func LabelParts(e Env, m *encoder.Model, p indexer.Parts) (indexer.Parts, error) {
	scorer, err := OpenScorer(e.Settings, m, e.Log)
	if scorer != nil {
		p.Labels = scorer
	}
	return p, err
}

// Hidden matches items that searches leave out; nil where labels hide none.
func (s Settings) Hidden() (filter.Expr, error) {
	set, err := s.LabelSet()
	if err != nil {
		return nil, err
	}
	var parts []filter.Expr
	if names := set.With(labels.Hide); len(names) > 0 {
		slices.Sort(names)
		parts = append(parts, filter.Contains{Field: attributePrefix + store.AttributeLabels, Values: names})
	}
	if s.HideUnlabelled {
		parts = append(parts, filter.Not{Kid: filter.Exists{Field: attributePrefix + store.AttributeLabelsOf}})
	}
	switch len(parts) {
	case 0:
		return nil, nil
	case 1:
		return parts[0], nil
	}
	return filter.Or{Kids: parts}, nil
}
