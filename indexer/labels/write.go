package labels

import (
	"encoding/json"
	"fmt"
	"strings"
)

// YAML is a settings file's part with the labels that have a threshold, for people to
// read and to change. Those without are named in a comment: they are not to be used.
func (c Calibration) YAML() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Thresholds for the model %s, from 'indexd labels calibrate':\n# %d pictures chose them, %d others measured them.\nlabels:\n", c.Model, c.Fitted, c.Held)
	some := false
	for _, l := range c.Labels {
		if l.Problem != "" {
			fmt.Fprintf(&b, "  # left out: %s: %s\n", quoted(l.Label.Name), l.Problem)
			continue
		}
		some = true
		fmt.Fprintf(&b, "  - name: %s # precision %s, recall %s\n", quoted(l.Label.Name), l.Held.Precision, l.Held.Recall)
		l.Label.yaml(&b)
	}
	if !some {
		b.WriteString("  []\n")
	}
	return b.String()
}

func (l Label) yaml(b *strings.Builder) {
	texts := make([]string, len(l.Texts))
	for i, t := range l.Texts {
		texts[i] = quoted(t)
	}
	fmt.Fprintf(b, "    texts: [%s]\n", strings.Join(texts, ", "))
	if l.Group != "" {
		fmt.Fprintf(b, "    group: %s\n", quoted(l.Group))
	}
	number, _ := json.Marshal(l.Threshold) // all its digits; finite
	fmt.Fprintf(b, "    threshold: %s\n", number)
	if l.Action != "" {
		fmt.Fprintf(b, "    action: %s\n", l.Action)
	}
	fmt.Fprintf(b, "    model: %s\n", quoted(l.Model))
}

// quoted is a JSON text, which YAML reads as well.
func quoted(text string) string {
	q, _ := json.Marshal(text) // a text
	return string(q)
}

// String is the share with its interval, to two digits.
func (s Share) String() string {
	if s.Value == nil {
		return "–"
	}
	return fmt.Sprintf("%.3f (%.2f to %.2f)", *s.Value, s.Low, s.High)
}
