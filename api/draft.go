package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"

	"sightline/store"
	"sightline/store/change"
)

// Limits of what is said about one item.
const (
	maxItemFields   = 256     // names in one object; an item may have 128 attributes
	maxFieldValue   = 2 << 20 // bytes of JSON, so that decoding a value cannot take many times its length for nothing
	maxProblemField = 160     // bytes of a field's name in an answer
	itemExample     = `{"title": "red shoe", "image": "https://shop.example/shoe.jpg"}`
	patchExample    = `{"price": 19.9}`
)

// draft is a change whose pictures may still be bytes.
type draft struct {
	change change.Change
	images []image // all pictures, the main one first; nil where a patch names none
	at     place
}

// place is where in a request a change stands.
type place struct {
	Line int    `json:"line,omitempty"` // of NDJSON, from 1
	At   string `json:"at,omitempty"`   // such as items[3]
	ID   string `json:"id,omitempty"`
}

// image is one picture: an address, or bytes.
type image struct {
	field   string // as the request names it
	address string
	data    []byte
	key     string // once it is stored
}

// uploads tells whether pictures came with the request.
func (d draft) uploads() bool {
	for _, im := range d.images {
		if im.data != nil {
			return true
		}
	}
	return false
}

// fetches tells whether a worker has to get pictures from elsewhere.
func (d draft) fetches() bool {
	for _, im := range d.images {
		if im.data == nil {
			return true
		}
	}
	return false
}

// decodePut reads an item for the id of the address, "" where the item itself
// says it. Problems go to wrong, all at once; an error is one of syntax. files
// are pictures of a form.
func decodePut(body []byte, id string, files files, wrong *Invalid) (draft, error) {
	body = bytes.TrimSpace(body)
	if err := checkItemObject(body, itemExample); err != nil {
		return draft{}, err
	}
	item := readItem(body, wrong)
	item.ID = agree(item.ID, id, wrong)
	d := draft{change: change.Change{Op: change.Put}}
	d.takeImages(&item, files, wrong)
	switch {
	case wrong.has("image") || wrong.has("images"):
	case len(d.images) == 0:
		wrong.add("image", "is missing: the index needs a picture; give its http(s) address, a data: URL, or upload it as a form (PATCH changes an item and keeps its pictures)")
	case d.images[0].field != "image":
		wrong.add("image", "is missing: name the main picture there, and further ones in images")
	}
	takeProblems(item.Validate(), wrong)
	checkSize(asJSON(item), wrong)
	d.change.ID, d.change.Item = item.ID, &item
	return d, nil
}

// checkSize refuses what would not fit into the queue with the names of its
// pictures.
func checkSize(raw []byte, wrong *Invalid) {
	const limit = MaxPayload - 100<<10
	if len(raw) > limit {
		wrong.add("item", "takes %d bytes as JSON; the limit is %d: shorten it", len(raw), limit)
	}
}

// checkItemObject accepts one JSON object in UTF-8 that is not absurdly wide.
func checkItemObject(body []byte, example string) error {
	if !utf8.Valid(body) {
		return refuse(kindMalformed, "The JSON is not valid UTF-8 text.")
	}
	if err := checkObject(body, example); err != nil {
		return err
	}
	n := 0
	for name, raw := range members(body) {
		n++
		switch list := name == "images" && raw[0] == '['; {
		case n > maxItemFields:
			return refuse(kindMalformed, "The object has too many fields: an item has at most 128 attributes.")
		case list && longer(raw, maxItemFields):
			return refuse(kindMalformed, "The object has too many images: an item has at most 20.")
		case !list && name != "image" && len(raw) > maxFieldValue:
			return refuse(kindMalformed, "The field "+shorten(name)+" is too long: all texts of an item may have 1 MiB together.")
		}
	}
	return nil
}

// longer tells whether a list has more than n elements.
func longer(list []byte, n int) bool {
	for range elements(list) {
		if n--; n < 0 {
			return true
		}
	}
	return false
}

// readItem reads what can be read of an item, and says what cannot.
func readItem(body []byte, wrong *Invalid) store.Item {
	checkTwice(body, "", wrong)
	var item store.Item
	err := json.Unmarshal(body, &item)
	if err == nil {
		return item
	}
	bad := takeProblems(err, wrong)
	// Once more without the fields that failed, so that the values of the others
	// are checked in the same answer.
	if err := json.Unmarshal(without(body, bad), &item); err != nil {
		takeProblems(err, wrong)
	}
	return item
}

// checkTwice refuses names that stand twice, of which encoding/json would keep
// the last.
func checkTwice(body []byte, prefix string, wrong *Invalid) {
	seen := map[string]bool{}
	for name, raw := range members(body) {
		if seen[name] && len(wrong.Fields) < maxItemFields {
			wrong.add(prefix+shorten(name), "is given more than once")
		}
		seen[name] = true
		if name == "attributes" && prefix == "" && raw[0] == '{' {
			checkTwice(raw, "attributes.", wrong)
		}
	}
}

// without leaves out members of an object.
func without(body []byte, names map[string]bool) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for name, raw := range members(body) {
		if names[name] {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			continue // strings always encode
		}
		b.Write(quoted)
		b.WriteByte(':')
		b.Write(raw)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// takeProblems adds an item's problems, and returns the top-level names that
// have any.
func takeProblems(err error, wrong *Invalid) map[string]bool {
	bad := map[string]bool{}
	var problems *store.ItemError
	switch {
	case err == nil:
	case errors.As(err, &problems):
		for _, f := range problems.Fields {
			name, _, _ := strings.Cut(f.Field, ".")
			bad[name], bad[f.Field] = true, true
			if len(wrong.Fields) < maxItemFields && !wrong.has(clipField(f.Field)) {
				wrong.add(clipField(f.Field), "%s", f.Problem)
			}
		}
	default:
		wrong.add("item", "cannot be read")
	}
	return bad
}

func (e *Invalid) has(field string) bool {
	for _, f := range e.Fields {
		if f.Field == field {
			return true
		}
	}
	return false
}

func clipField(name string) string {
	if len(name) <= maxProblemField {
		return name
	}
	return strings.ToValidUTF8(name[:maxProblemField], "") + "…"
}

// agree gives the id of an item that may stand in the address and in the body.
func agree(body, address string, wrong *Invalid) string {
	if address == "" || body == "" {
		return body + address
	}
	if body != address {
		wrong.add("id", "is %q, and the address names %q: leave it out of the body, or make them agree", shorten(body), shorten(address))
	}
	return address
}

// takeImages moves the pictures of an item into the draft. The item keeps
// addresses, which say where a picture came from; bytes would not fit.
func (d *draft) takeImages(item *store.Item, files files, wrong *Invalid) {
	for _, name := range []string{"additional_image_link", "additional_image_links", "additional_images"} {
		if _, ok := item.Attributes[name]; ok {
			wrong.add(name, "is not read here: give further pictures as images")
		}
	}
	main, further := item.Image, item.Images
	item.Image, item.Images = "", nil
	switch {
	case main != "" && files.main != nil:
		wrong.add("image", "is given twice, as a file and in the JSON: keep one")
	case main != "":
		item.Image = d.add("image", main, wrong)
	case files.main != nil:
		d.images = append(d.images, image{field: "image", data: files.main})
	}
	if n := len(further) + len(files.further); n > store.MaxViews {
		wrong.add("images", "has %d pictures; the limit is %d besides the main one", n, store.MaxViews)
		return
	}
	for i, text := range further {
		if address := d.add(indexed("images", i), text, wrong); address != "" {
			item.Images = append(item.Images, address)
		}
	}
	for i, data := range files.further {
		d.images = append(d.images, image{field: indexed("images", len(further)+i), data: data})
	}
}

// add takes one picture of the JSON and returns its address, if it has one.
func (d *draft) add(field, text string, wrong *Invalid) (address string) {
	if len(text) >= 5 && strings.EqualFold(text[:5], "data:") {
		data, problem := decodeDataURL(text)
		if problem != "" {
			wrong.add(field, "%s", problem)
		}
		d.images = append(d.images, image{field: field, data: data})
		return ""
	}
	d.images = append(d.images, image{field: field, address: text})
	u, err := url.Parse(text)
	switch {
	case text == "":
		wrong.add(field, "is empty: give an http(s) address or a data: URL")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		wrong.add(field, "must be an http or https address or a data: URL: the server cannot read files of your computer; upload them as a form, or import the feed with indexd import")
	}
	return text
}

// list is Change.Images: nil where the item's own addresses say it all.
func (d draft) list() []string {
	if !d.uploads() {
		return nil
	}
	names := make([]string, len(d.images))
	for i, im := range d.images {
		if names[i] = im.address; im.data != nil {
			names[i] = change.Stored(im.key)
		}
	}
	return names
}
