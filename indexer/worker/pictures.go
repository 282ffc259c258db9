package worker

import (
	"slices"

	"sightline/indexer"
	"sightline/indexer/feed"
	"sightline/store"
	"sightline/store/change"
)

// listed are the pictures that an item itself names, the main one first.
func listed(item store.Item) []string { return append([]string{item.Image}, item.Images...) }

// held are the pictures that an entry has, by their keys in the picture store.
func held(e store.Entry) []string {
	images := make([]string, 0, len(e.Views)+1)
	if e.Picture != "" {
		images = append(images, change.Stored(e.Picture))
	}
	for _, v := range e.Views {
		images = append(images, change.Stored(v.Picture))
	}
	return images
}

// patched are the pictures of an item that a patch was laid over: what the patch
// does not name stays as it is stored, so that it is neither fetched nor encoded.
// An "image" that goes away twice takes one picture with it, not also the one
// that then stands first.
func patched(item store.Item, named object, old store.Entry) []string {
	images := held(old)
	main, views := images[:min(1, len(images))], images[min(1, len(images)):]
	if old.Picture == "" {
		main, views = nil, images
	}
	if _, ok := named["image"]; ok && (item.Image != "" || old.Item.Image != "") {
		main = []string{item.Image}
	}
	if _, ok := named["images"]; ok {
		views = item.Images
	}
	return slices.Concat(main, views)
}

// sources are where pictures came from, as far as that is an address.
func sources(images []string) (main string, views []string) {
	if !isContent(images[0]) {
		main = images[0]
	}
	return main, slices.DeleteFunc(slices.Clone(images[1:]), isContent)
}

// record is an item with its pictures, each once and no more than an item may
// have. A picture that came inside the item is not kept there.
func record(item store.Item, images []string) indexer.Record {
	r := indexer.Record{Where: "item " + item.ID, Item: item}
	for _, image := range images {
		if image != "" && len(r.Images) < feed.MaxImages && !slices.Contains(r.Images, image) {
			r.Images = append(r.Images, image)
		}
	}
	if len(r.Images) > 0 {
		r.Image = r.Images[0]
	}
	if isContent(r.Item.Image) {
		r.Item.Image = ""
	}
	r.Item.Images = slices.DeleteFunc(slices.Clone(r.Item.Images), isContent)
	if len(r.Item.Images) == 0 {
		r.Item.Images = nil
	}
	return r
}

// isContent tells names of pictures that are no place that one came from.
func isContent(image string) bool {
	_, stored := change.StoredKey(image)
	return stored || feed.IsData(image)
}

// located replaces what cannot be read here by what is stored. A client that
// gets an item of a feed with pictures in files, changes its title and puts it
// back means the same picture.
func located(images []string, old *store.Entry) ([]string, error) {
	images = slices.Clone(images)
	for i, image := range images {
		switch {
		case image == "" || isContent(image) || feed.IsAddress(image):
		case old != nil && old.Picture != "" && old.Item.Image == image:
			images[i] = change.Stored(old.Picture)
		default:
			return nil, refuse(string(indexer.StageFetch), "picture %q cannot be read here: give an http or https address, or upload it", image)
		}
	}
	return images, nil
}
