package labels

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Parse reads what a YAML or JSON file has under "labels", strictly: a list of
// objects with the members of Label. All that is wrong is reported at once.
func Parse(value any) (Set, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, errors.New("labels: must be a list of labels, each with a name and texts")
	}
	var errs []error
	set := make(Set, 0, len(list))
	for i, v := range list[:min(len(list), MaxLabels+1)] {
		fields, ok := v.(map[string]any)
		if !ok {
			errs = append(errs, fmt.Errorf("labels: number %d: must have a name and texts", i+1))
			continue
		}
		l, wrong := parseLabel(fields)
		for _, err := range wrong {
			errs = append(errs, fmt.Errorf("labels: %s: %w", l.place(i), err))
		}
		if len(wrong) == 0 {
			set = append(set, l)
		}
	}
	return set, errors.Join(append(errs, set.Check())...)
}

// parseLabel reads one; what cannot be read stays empty.
func parseLabel(fields map[string]any) (l Label, wrong []error) {
	readers := map[string]func(any) string{
		"name": text(&l.Name), "texts": texts(&l.Texts), "group": text(&l.Group), "threshold": number(&l.Threshold),
		"action": text((*string)(&l.Action)), "model": text(&l.Model),
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		read, known := readers[name]
		if !known {
			wrong = append(wrong, fmt.Errorf("there is no %q; there are name, texts, group, threshold, action, model", name))
			continue
		}
		if problem := read(fields[name]); problem != "" {
			wrong = append(wrong, fmt.Errorf("%s %s", name, problem))
		}
	}
	return l, wrong
}

func text(dst *string) func(any) string {
	return func(v any) string {
		s, ok := v.(string)
		if !ok {
			return "must be text; put it in quotes"
		}
		*dst = s
		return ""
	}
}

// texts takes one text for a list of one.
func texts(dst *[]string) func(any) string {
	return func(v any) string {
		if s, ok := v.(string); ok {
			*dst = []string{s}
			return ""
		}
		list, ok := v.([]any)
		for _, each := range list {
			s, is := each.(string)
			ok = ok && is
			*dst = append(*dst, s)
		}
		if !ok {
			return "must be a list of texts; put them in quotes"
		}
		return ""
	}
}

func number(dst *float64) func(any) string {
	return func(v any) string {
		switch v := v.(type) {
		case float64:
			*dst = v
		case int:
			*dst = float64(v)
		default:
			return "must be a number: a margin of match and no-match logit"
		}
		return ""
	}
}
