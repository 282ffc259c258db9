package api

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"

	"sightline/store"
	"sightline/store/change"
)

// Limits of a form that writes an item. It is held in memory until it is
// complete, so that an upload that breaks off leaves nothing behind.
const (
	maxWriteForm  = 32 << 20
	maxWriteParts = store.MaxViews + 2 // the JSON and 20 pictures
)

// writeForm is multipart/form-data with the JSON of an item or patch and files.
type writeForm struct {
	json  []byte
	files files
}

// readWriteForm reads the parts "item" (or "patch"), "image" and "images".
func readWriteForm(parts formReader, name string, wrong *Invalid) (writeForm, error) {
	var form writeForm
	known := map[string]bool{name: true, "image": true, "images": true}
	for range maxWriteParts + 1 {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return form, nil
		}
		if err != nil {
			return form, parts.problem(err)
		}
		if !known[part.FormName()] {
			wrong.add(shorten(part.FormName()), "%s", unknown(part.FormName(), known))
			continue
		}
		if err := form.take(part, wrong); err != nil {
			return form, parts.problem(err)
		}
	}
	return form, refuse(kindMalformed, fmt.Sprintf("The form has more than %d parts.", maxWriteParts))
}

func (f *writeForm) take(part *multipart.Part, wrong *Invalid) error {
	data, err := io.ReadAll(io.LimitReader(part, maxPictureBytes+1))
	if err != nil {
		return err
	}
	switch name := part.FormName(); {
	case len(data) == 0:
		wrong.add(name, "is empty")
	case len(data) > maxPictureBytes:
		wrong.add(name, "is longer than %d bytes", maxPictureBytes)
	case name == "images":
		f.files.further = append(f.files.further, data)
	case name == "image" && f.files.main == nil:
		f.files.main = data
	case name != "image" && f.json == nil:
		f.json = data
	default:
		wrong.add(name, "is given more than once")
	}
	return nil
}

// decodeWriteForm reads a form for the item of the address.
func decodeWriteForm(parts formReader, about target, wrong *Invalid) (draft, error) {
	name := "item"
	if about.op == change.Patch {
		name = "patch"
	}
	form, err := readWriteForm(parts, name, wrong)
	if err != nil {
		return draft{}, err
	}
	if form.json == nil {
		form.json = []byte("{}") // pictures alone are enough
	}
	return decodeOne(form.json, about, form.files, wrong)
}

func decodeOne(body []byte, about target, files files, wrong *Invalid) (draft, error) {
	if about.op == change.Patch {
		return decodePatch(body, about.id, files, wrong)
	}
	return decodePut(body, about.id, files, wrong)
}
