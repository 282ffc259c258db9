package capfilt

import (
	"regexp"
	"strings"
)

// maxSegments bounds the texts that are judged of one title.
const maxSegments = 8

// separators are between the parts of a title: "Red mug | coffee cup, gift (new)".
// A hyphen counts between spaces only: "T-shirt" is a word.
var separators = regexp.MustCompile(`\s*[,;|/•·:()\[\]{}]+\s*|\s+[-–—]+\s+|\s*[–—]\s*`)

// segments are the parts of a title, at most maxSegments; the last one has the
// rest. nil where it has one part only.
func segments(title string) []string {
	var parts []string
	for _, p := range separators.Split(title, maxSegments) {
		if p = strings.TrimSpace(p); p != "" {
			parts = append(parts, p)
		}
	}
	if len(parts) < 2 {
		return nil
	}
	return parts
}
