package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Attributes of labels that a model gave an item's first picture ('indexd labels'):
// their names, and what they were made of. Both names are reserved: an item that has
// the first without the second is refused (Item.Validate).
const (
	AttributeLabels   = "picture_labels"
	AttributeLabelsOf = "picture_labels_of"
)

// Labelling is what is known about how an item came to its labels.
type Labelling struct {
	Picture string // key of the picture that was judged
	Rules   string // names the model, texts and thresholds, 16 hex digits
	// ByHand says that the list is not the one that was written with this
	// labelling: somebody has corrected it since.
	ByHand bool
}

// Lengths of the parts of AttributeLabelsOf, in hex digits, with dots between.
const (
	labelsPicture = 64
	labelsRules   = 16
	labelsSum     = 8
	labelsOf      = labelsPicture + 1 + labelsRules + 1 + labelsSum
)

// Labels are the names that the item has been given, nil where there are none.
func (it Item) Labels() []string {
	names, _ := it.Attributes[AttributeLabels].([]string)
	return names
}

// Labelling is false for an item that has not been labelled. One that was, and to
// which no label applies, has a labelling and no Labels.
func (it Item) Labelling() (Labelling, bool) {
	text, _ := it.Attributes[AttributeLabelsOf].(string)
	parts := strings.Split(text, ".")
	if len(parts) != 3 || len(text) != labelsOf || !isPictureKey(parts[0]) || len(parts[1]) != labelsRules {
		return Labelling{}, false
	}
	return Labelling{Picture: parts[0], Rules: parts[1], ByHand: parts[2] != sumOf(it.Labels())}, true
}

// sumOf tells one list of labels from another.
func sumOf(names []string) string {
	sum := sha256.New()
	for _, name := range slices.Sorted(slices.Values(names)) {
		fmt.Fprintf(sum, "%d %s", len(name), name)
	}
	return hex.EncodeToString(sum.Sum(nil))[:labelsSum]
}

// WithLabels returns the item with the labels of a picture; rules are those of
// Labelling. ok is false where there are too many attributes.
func (it Item) WithLabels(names []string, picture, rules string) (out Item, ok bool) {
	out = it.withoutLabels()
	if len(out.Attributes)+2 > maxAttributes {
		return it, false
	}
	if out.Attributes == nil {
		out.Attributes = map[string]any{}
	}
	if len(names) > 0 {
		out.Attributes[AttributeLabels] = slices.Clone(names)
	}
	out.Attributes[AttributeLabelsOf] = picture + "." + rules + "." + sumOf(names)
	return out, true
}

func (it Item) withoutLabels() Item {
	it.Attributes = maps.Clone(it.Attributes)
	delete(it.Attributes, AttributeLabels)
	delete(it.Attributes, AttributeLabelsOf)
	if len(it.Attributes) == 0 {
		it.Attributes = nil
	}
	return it
}

// CarryLabels returns the item as it is to be written over old, with its first
// picture: labels stay as long as the picture does, for shops do not know of them,
// and go with the picture. An item that was read from the index and changed keeps
// what it says.
func (it Item) CarryLabels(old Item, picture string) Item {
	if made, ok := it.Labelling(); ok {
		if made.Picture != picture {
			return it.withoutLabels()
		}
		return it
	}
	made, ok := old.Labelling()
	if !ok || made.Picture != picture || len(it.Attributes)+2 > maxAttributes {
		return it
	}
	it = it.withoutLabels()
	if it.Attributes == nil {
		it.Attributes = map[string]any{}
	}
	for _, name := range []string{AttributeLabels, AttributeLabelsOf} {
		if value, ok := old.Attributes[name]; ok {
			it.Attributes[name] = value
		}
	}
	return it
}

// checkLabels is Validate's part for the reserved names.
func (it Item) checkLabels(wrong *problems) {
	_, has := it.Attributes[AttributeLabels]
	_, of := it.Attributes[AttributeLabelsOf]
	if !has && !of {
		return
	}
	if _, ok := it.Labelling(); !ok {
		name := AttributeLabels
		if !has {
			name = AttributeLabelsOf
		}
		wrong.add("attributes."+name, "has a name that is reserved for what 'indexd labels' writes; rename it")
		return
	}
	it.checkCorrection(wrong)
}

func (it Item) checkCorrection(wrong *problems) {
	value, has := it.Attributes[AttributeLabels]
	if _, list := value.([]string); has && !list {
		wrong.add("attributes."+AttributeLabels, "must be a list of texts")
	}
}
