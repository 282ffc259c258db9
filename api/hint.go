package api

import (
	"maps"
	"slices"
	"strings"

	"sightline/store/filter"
)

// unknown says what is wrong with a field's name, and which one was meant if
// that can be told.
func unknown[V any](name string, fields map[string]V) string {
	if near := nearest(name, fields); near != "" {
		return `is not a field; did you mean "` + near + `"?`
	}
	if len(fields) == 0 {
		return "is not a field; there are none here"
	}
	return "is not a field; there are " + names(fields)
}

func names[V any](fields map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
}

// synonym is what other search engines call our fields.
func synonym(name string) string {
	switch name {
	case "q", "query", "search", "prompt", "input":
		return "text"
	case "k", "top_k", "topk", "size", "hits", "per_page", "count", "num":
		return "limit"
	case "from", "skip", "start":
		return "offset"
	case "timeout", "timeout_ms", "timeout_s":
		return "deadline_ms"
	case "threshold", "min_score", "score_threshold":
		return "min_match"
	}
	return ""
}

// nearest returns the known name at most two edits away, or a synonym.
func nearest[V any](name string, fields map[string]V) string {
	lower := strings.ToLower(shorten(name))
	best, least := "", 3
	for _, known := range slices.Sorted(maps.Keys(fields)) {
		if d := filter.Edits(lower, known); d < least && d < len(known) {
			best, least = known, d
		}
	}
	if best != "" {
		return best
	}
	if other := synonym(lower); other != "" {
		if _, ok := fields[other]; ok {
			return other
		}
		if _, ok := fields["q"]; ok && other == "text" {
			return "q"
		}
	}
	return ""
}

// shorten keeps an answer from carrying a megabyte of somebody's field name.
func shorten(name string) string { return filter.Shorten(name, 40) }
