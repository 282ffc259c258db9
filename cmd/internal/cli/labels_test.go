package cli_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"sightline/cmd/internal/cli"
	"sightline/indexer/labels"
	"sightline/store/filter"
)

const twoLabels = `labels:
  - name: striped
    texts: ["striped"]
    threshold: 1.5
  - {name: weapon, texts: a weapon, action: hide}
`

// labelFlags are those of a command that heeds labels.
func labelFlags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	cli.CommonFlags(fs)
	cli.LabelsFlag(fs)
	cli.HideFlag(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

// TestLabelSet: the list is in the settings file, or in one of its own that a flag, a
// variable or the settings file names.
func TestLabelSet(t *testing.T) {
	want := labels.Set{{Name: "striped", Texts: []string{"striped"}, Threshold: 1.5}, {Name: "weapon", Texts: []string{"a weapon"}, Action: labels.Hide}}
	for name, c := range map[string]struct {
		settings string
		environ  []string
		args     []string
	}{
		"in the settings":  {settings: twoLabels},
		"named by them":    {settings: "labels: own.yaml\n"},
		"by a variable":    {environ: []string{"SIGHTLINE_LABELS=own.yaml"}},
		"by a flag":        {args: []string{"--labels", "own.yaml"}},
		"flag over a list": {settings: "labels: [{name: x, texts: x}]\n", args: []string{"--labels=own.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			writeFile(t, "own.yaml", twoLabels)
			if c.settings != "" {
				writeFile(t, "sightline.yaml", c.settings)
			}
			s, err := cli.Load(labelFlags(t, c.args...), c.environ)
			if err == nil {
				err = s.Check()
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.LabelSet(); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v %v", got, err)
			}
			hidden, err := s.Hidden()
			if err != nil || filter.Key(hidden) != `attributes.picture_labels CONTAINS "weapon"` {
				t.Errorf("%v %v", hidden, err)
			}
			s.HideUnlabelled = true
			if hidden, err := s.Hidden(); err != nil || filter.Key(hidden) != `attributes.picture_labels CONTAINS "weapon" OR attributes.picture_labels_of MISSING` {
				t.Errorf("%s %v", filter.Key(hidden), err)
			}
		})
	}
}

// TestLabelProblems: they are told with all else that is wrong, at once.
func TestLabelProblems(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "sightline.yaml", "threads: -1\nlabels:\n  - {name: a, treshold: 1, texts: x}\n  - {name: b, texts: []}\n")
	s, err := cli.Load(labelFlags(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Check()
	for _, want := range []string{"--threads -1", `"a": there is no "treshold"`, `"b": has no texts`} {
		if err == nil || !strings.Contains(err.Error(), want) || cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %v", err)
	}
	for text, want := range map[string]string{
		"labels: 3\n":             "must be a list of labels",
		"labels: {name: a}\n":     "labels", // koanf takes it apart: there is no such setting
		"labels: [x]\nquiet: 1\n": `no setting "quiet"`,
	} {
		writeFile(t, "sightline.yaml", text)
		s, err := cli.Load(labelFlags(t), nil)
		if err == nil {
			err = s.Check()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"": "nothing else", "labels: []\nx: 1\n": "nothing else", "labels: [x]\n": "must have a name", "labels: [": "yaml",
	} {
		writeFile(t, "own.yaml", text)
		if _, err := (cli.Settings{Labels: "own.yaml"}).LabelSet(); err == nil || !strings.Contains(err.Error(), want) || cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := (cli.Settings{Labels: "none.yaml"}).LabelSet(); err == nil || cli.ExitCode(err) != cli.ExitUsage {
		t.Errorf("no such file: %v", err)
	}
	if set, err := (cli.Settings{}).LabelSet(); set != nil || err != nil {
		t.Errorf("no labels: %v %v", set, err)
	}
}

// TestCalibrationIsRead: what calibrating writes is what the settings take, whatever
// the names and numbers.
func TestCalibrationIsRead(t *testing.T) {
	t.Chdir(t.TempDir())
	want := labels.Set{
		{Name: `odd "name": #1`, Texts: []string{"it's 5: [x]", "ünïcode, {y}"}, Group: "- g", Threshold: -1.0 / 3, Action: labels.Flag, Model: "sha256:m"},
		{Name: "yes", Texts: []string{"null"}, Threshold: 3e-9, Model: "sha256:m"},
		{Name: "whole", Texts: []string{"1"}, Threshold: 2, Model: "sha256:m"},
	}
	c := labels.Calibration{Labels: []labels.Calibrated{{Label: labels.Label{Name: "left"}, Problem: "too few: #"}}}
	for _, l := range want {
		c.Labels = append(c.Labels, labels.Calibrated{Label: l})
	}
	writeFile(t, "own.yaml", c.YAML())
	got, err := (cli.Settings{Labels: "own.yaml"}).LabelSet()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v\n%s", got, err, c.YAML())
	}
	c.Labels = c.Labels[:1]
	writeFile(t, "own.yaml", c.YAML())
	if got, err := (cli.Settings{Labels: "own.yaml"}).LabelSet(); err != nil || len(got) != 0 {
		t.Errorf("none of them: %+v %v\n%s", got, err, c.YAML())
	}
}
