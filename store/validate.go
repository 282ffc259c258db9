package store

import (
	"encoding/hex"
	"fmt"
	"math"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of one item. They bound what one feed line can make the index keep in
// memory (at most about 1 MB) and are far above what shops send.
const (
	maxID          = 128
	maxText        = 4096    // bytes of every short text and URL
	maxDescription = 1 << 16 // bytes
	maxAttributes  = 128
	maxList        = 256
	maxName        = 128
	maxTotal       = 1 << 20 // bytes of all texts together
)

// MaxWindow bounds Query.K + Query.Offset. Milvus stops at 16,384, and a page
// that deep is never read by a person.
const MaxWindow = 10_000

// Validate reports everything wrong with the item as an *ItemError.
func (it Item) Validate() error {
	var wrong problems
	it.checkLabels(&wrong)
	return it.validate(wrong)
}

// ValidatePatch is Validate for what a patch sets of an item. Labels without what
// they were made of are a correction there, of which the whole item decides.
func (it Item) ValidatePatch() error {
	var wrong problems
	it.checkCorrection(&wrong)
	return it.validate(wrong)
}

// validate adds to problems what Validate and ValidatePatch have in common.
func (it Item) validate(wrong problems) error {
	it.checkID(&wrong)
	total := it.checkTexts(&wrong) + checkList("images", it.Images, &wrong) + it.checkAttributes(&wrong)
	if total > maxTotal {
		wrong.add("attributes", "make the item larger than %d bytes of text; shorten it", maxTotal)
	}
	if p := it.Price; p != nil && (math.IsNaN(*p) || math.IsInf(*p, 0) || *p < 0) {
		wrong.add("price", "must be a finite number, 0 or more")
	}
	if it.Currency != "" && !isCurrency(it.Currency) {
		wrong.add("currency", "must be three capital letters such as EUR")
	}
	if it.URL != "" && !isLink(it.URL) {
		wrong.add("url", "must be an http or https address or a path")
	}
	if it.Version < 0 {
		wrong.add("version", "must be 0 or more")
	}
	if y := it.UpdatedAt.Year(); y < 0 || y > 9999 {
		wrong.add("updated_at", "must be between the years 0 and 9999")
	}
	return wrong.err(it.ID)
}

func (it Item) checkID(wrong *problems) {
	switch {
	case it.ID == "":
		wrong.add("id", "is missing")
	case len(it.ID) > maxID:
		wrong.add("id", "is %d bytes long; the limit is %d", len(it.ID), maxID)
	case !utf8.ValidString(it.ID) || strings.ContainsFunc(it.ID, unicode.IsControl):
		wrong.add("id", "must be UTF-8 text without control characters")
	}
}

// checkTexts returns the bytes of all text fields.
func (it Item) checkTexts(wrong *problems) int {
	total := 0
	for _, f := range []struct {
		name, text string
		limit      int
	}{
		{"title", it.Title, maxText},
		{"description", it.Description, maxDescription},
		{"url", it.URL, maxText},
		{"image", it.Image, maxText},
		{"availability", it.Availability, maxText},
		{"brand", it.Brand, maxText},
		{"category", it.Category, maxText},
		{"color", it.Color, maxText},
		{"group_id", it.GroupID, maxText},
	} {
		checkText(f.name, f.text, f.limit, wrong)
		total += len(f.text)
	}
	return total
}

func checkText(name, text string, limit int, wrong *problems) {
	if len(text) > limit {
		wrong.add(name, "is %d bytes long; the limit is %d", len(text), limit)
	}
	if !utf8.ValidString(text) {
		wrong.add(name, "must be UTF-8 text")
	}
}

// checkAttributes returns the bytes of all names and texts.
func (it Item) checkAttributes(wrong *problems) int {
	if n := len(it.Attributes); n > maxAttributes {
		wrong.add("attributes", "has %d names; the limit is %d", n, maxAttributes)
		return 0
	}
	total := 0
	for _, name := range sortedNames(it.Attributes) {
		total += len(name) + it.checkAttribute(name, wrong)
	}
	return total
}

func (it *Item) checkAttribute(name string, wrong *problems) (size int) {
	field := "attributes." + name
	switch {
	case name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		wrong.add(field, "has a name that is not 1 to %d bytes of plain text", maxName)
	case it.field(name) != nil:
		wrong.add(field, "has the name of an item's own field; move it there or rename it")
	}
	switch value := it.Attributes[name].(type) {
	case string:
		checkText(field, value, maxDescription, wrong)
		return len(value)
	case []string:
		return checkList(field, value, wrong)
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			wrong.add(field, "must be a finite number")
		}
	case bool:
	default:
		wrong.add(field, "must be text, a number, true or false, or a list of texts")
	}
	return 0
}

func checkList(field string, list []string, wrong *problems) (size int) {
	if len(list) > maxList {
		wrong.add(field, "has %d values; the limit is %d", len(list), maxList)
		return 0
	}
	for _, text := range list {
		checkText(field, text, maxText, wrong)
		size += len(text)
	}
	return size
}

func isCurrency(code string) bool {
	return len(code) == 3 && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// isLink keeps javascript: and data: addresses off the result page.
func isLink(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "" || (u.Scheme == "http" || u.Scheme == "https") && u.Host != "")
}

// Validate checks an entry for an index of dim dimensions.
func (e Entry) Validate(dim int) error {
	if err := e.Item.Validate(); err != nil {
		return err
	}
	if e.Picture != "" && !isPictureKey(e.Picture) {
		return fmt.Errorf("item %q: %w picture key %q: want 64 lower-case hex digits", e.Item.ID, ErrInvalid, e.Picture)
	}
	if err := checkEmbedding(e.Embedding, dim); err != nil {
		return fmt.Errorf("item %q: %w", e.Item.ID, err)
	}
	if err := e.checkViews(dim); err != nil {
		return fmt.Errorf("item %q: %w", e.Item.ID, err)
	}
	return nil
}

func (e Entry) checkViews(dim int) error {
	if n := len(e.Views); n > MaxViews || n > 0 && e.Picture == "" {
		return fmt.Errorf("%w views: %d beside picture %q: at most %d are allowed, and only beside a picture", ErrInvalid, n, e.Picture, MaxViews)
	}
	seen := map[string]bool{e.Picture: true}
	for i, v := range e.Views {
		if !isPictureKey(v.Picture) || seen[v.Picture] {
			return fmt.Errorf("%w view %d: picture key %q: want 64 lower-case hex digits, each picture once", ErrInvalid, i+1, v.Picture)
		}
		seen[v.Picture] = true
		if err := checkEmbedding(v.Embedding, dim); err != nil {
			return fmt.Errorf("view %d: %w", i+1, err)
		}
	}
	return nil
}

func isPictureKey(key string) bool {
	_, err := hex.DecodeString(key)
	return err == nil && len(key) == 64 && strings.ToLower(key) == key
}

// Validate checks a query for an index of dim dimensions.
func (q Query) Validate(dim int) error {
	if q.K < 1 || q.Offset < 0 || q.K > MaxWindow || q.Offset > MaxWindow-q.K {
		return fmt.Errorf("%w query: k %d, offset %d: k must be at least 1 and k + offset at most %d", ErrInvalid, q.K, q.Offset, MaxWindow)
	}
	if len(q.Exclude) > MaxWindow {
		return fmt.Errorf("%w query: %d excluded ids; the limit is %d", ErrInvalid, len(q.Exclude), MaxWindow)
	}
	if q.GroupBy != "" {
		if err := checkTextField(q.GroupBy, "group_by", "group by a text field such as group_id"); err != nil {
			return err
		}
	}
	return checkEmbedding(q.Embedding, dim)
}

// unitTolerance is wide enough for float32 and float16 models and narrow
// enough to catch a vector that nobody normalised.
const unitTolerance = 1e-3

func checkEmbedding(v []float32, dim int) error {
	if len(v) != dim {
		return fmt.Errorf("%w embedding: %d dimensions, the index has %d", ErrInvalid, len(v), dim)
	}
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if length := math.Sqrt(sum); !(math.Abs(length-1) <= unitTolerance) { // the negation catches NaN and Inf too
		return fmt.Errorf("%w embedding: length %g, want a unit vector", ErrInvalid, length)
	}
	return nil
}
