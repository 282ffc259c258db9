package store

import "maps"

// Attributes of a text that a model wrote about an item's picture and that was
// kept ('indexd capfilt'): the text, and the key of the picture that it is about.
// An attribute "caption" without the other one is the shop's own.
const (
	AttributeCaption   = "caption"
	AttributeCaptionOf = "caption_of"
)

// Caption is the kept text about the item's picture, "" where there is none. The
// shop's own attribute of that name is none.
func (it Item) Caption() string {
	text, _ := it.Attributes[AttributeCaption].(string)
	if it.captionOf() == "" {
		return ""
	}
	return text
}

// CaptionDecided says that there is a kept caption of the picture, or that
// somebody has taken it away: AttributeCaptionOf without AttributeCaption.
func (it Item) CaptionDecided(picture string) bool {
	return picture != "" && it.captionOf() == picture
}

// captionOf is "" where the attribute is not a picture's key, and so the shop's.
func (it Item) captionOf() string {
	key, _ := it.Attributes[AttributeCaptionOf].(string)
	if !isPictureKey(key) {
		return ""
	}
	return key
}

// WithCaption returns the item with a kept caption of a picture. ok is false where
// the shop has a caption of its own, or there are too many attributes.
func (it Item) WithCaption(text, picture string) (out Item, ok bool) {
	_, named := it.Attributes[AttributeCaption]
	if named && it.captionOf() == "" || len(it.Attributes)+2 > maxAttributes {
		return it, false
	}
	it.Attributes = maps.Clone(it.Attributes)
	if it.Attributes == nil {
		it.Attributes = map[string]any{}
	}
	it.Attributes[AttributeCaption], it.Attributes[AttributeCaptionOf] = text, picture
	return it, true
}

// CarryCaption returns the item as it is to be written over old, with its first
// picture: a kept caption stays as long as the picture does, for shops do not know
// of it, and goes with the picture. An item that has a caption of its own, or that
// was read from the index and changed, keeps what it says.
func (it Item) CarryCaption(old Item, picture string) Item {
	if of := it.captionOf(); of != "" {
		if of != picture {
			it.Attributes = maps.Clone(it.Attributes)
			delete(it.Attributes, AttributeCaption)
			delete(it.Attributes, AttributeCaptionOf)
		}
		return it
	}
	if !old.CaptionDecided(picture) {
		return it
	}
	text, written := old.Attributes[AttributeCaption].(string)
	with, ok := it.WithCaption(text, picture)
	if _, own := it.Attributes[AttributeCaption]; own || !ok {
		return it
	}
	if !written { // taken away, which is to last as well
		delete(with.Attributes, AttributeCaption)
	}
	return with
}
