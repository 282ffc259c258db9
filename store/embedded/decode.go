package embedded

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"sightline/store"
)

// decoder reads items as json.Marshal writes them, in a third of the time of
// json.Unmarshal, and keeps one copy of texts that many items share. What it
// does not know at a glance it leaves to json.Unmarshal, so it decides nothing:
// FuzzDecode compares the two. Not safe for concurrent use.
type decoder struct {
	text   []byte // what is left to read
	failed bool
	shared map[string]string
}

// sharedTexts bounds a decoder's memory of shared texts, which are up to
// sharedLength bytes long: brands, colours, names of attributes.
const (
	sharedTexts  = 1 << 14
	sharedLength = 32
)

func (d *decoder) item(text []byte) (store.Item, error) {
	d.text, d.failed = text, false
	var it store.Item
	d.object(func(name []byte) { d.field(&it, name) })
	if d.failed || len(d.text) != 0 {
		return decodeItem(text)
	}
	return it, nil
}

func (d *decoder) field(it *store.Item, name []byte) {
	switch string(name) {
	case "id":
		d.once(&it.ID, d.string)
	case "title":
		d.once(&it.Title, d.string)
	case "description":
		d.once(&it.Description, d.string)
	case "url":
		d.once(&it.URL, d.string)
	case "image":
		d.once(&it.Image, d.string)
	case "currency":
		d.once(&it.Currency, d.sharedString)
	case "availability":
		d.once(&it.Availability, d.sharedString)
	case "brand":
		d.once(&it.Brand, d.sharedString)
	case "category":
		d.once(&it.Category, d.sharedString)
	case "color":
		d.once(&it.Color, d.sharedString)
	case "group_id":
		d.once(&it.GroupID, d.sharedString)
	default:
		d.otherField(it, name)
	}
}

func (d *decoder) otherField(it *store.Item, name []byte) {
	switch string(name) {
	case "price":
		price := d.float()
		it.Price = &price
	case "images":
		d.failed = d.failed || it.Images != nil
		it.Images = d.list(d.string)
	case "version":
		n, err := strconv.ParseInt(string(d.number()), 10, 64)
		it.Version, d.failed = n, d.failed || err != nil
	case "updated_at":
		d.failed = it.UpdatedAt.UnmarshalText(d.plain()) != nil || d.failed
	case "attributes":
		d.failed = d.failed || it.Attributes != nil // a second time: json.Unmarshal joins them
		it.Attributes = make(map[string]any)
		d.object(func(name []byte) {
			key := d.share(name)
			it.Attributes[key] = d.attribute()
		})
	default:
		d.failed = true
	}
}

// once reads a text into a field that has none yet.
func (d *decoder) once(into *string, read func() string) {
	d.failed = d.failed || *into != ""
	*into = read()
}

func (d *decoder) attribute() any {
	switch c := d.peek(); {
	case c == '"':
		return d.sharedString()
	case c == '[':
		return d.list(d.sharedString)
	case d.take("true"):
		return true
	case d.take("false"):
		return false
	}
	return d.float()
}

func (d *decoder) list(read func() string) []string {
	d.expect("[")
	list := []string{}
	for !d.failed && d.peek() != ']' {
		if len(list) > 0 {
			d.expect(",")
		}
		list = append(list, read())
	}
	d.expect("]")
	return list
}

// object calls value for each member; it reads the value. Names are valid until
// then.
func (d *decoder) object(value func(name []byte)) {
	d.expect("{")
	for first := true; !d.failed && d.peek() != '}'; first = false {
		if !first {
			d.expect(",")
		}
		name := d.plain()
		d.expect(":")
		if !d.failed {
			value(name)
		}
	}
	d.expect("}")
}

func (d *decoder) peek() byte {
	if len(d.text) == 0 {
		d.failed = true
		return 0
	}
	return d.text[0]
}

func (d *decoder) take(word string) bool {
	rest, ok := bytes.CutPrefix(d.text, []byte(word))
	d.text = rest
	return ok
}

func (d *decoder) expect(word string) { d.failed = !d.take(word) || d.failed }

// token cuts a string off, quotes included. It ends at the first quote that has
// no backslash before it; what is between is for the caller to check.
func (d *decoder) token() []byte {
	for i := 1; d.peek() == '"' && i < len(d.text); i++ {
		switch d.text[i] {
		case '\\':
			i++
		case '"':
			token := d.text[:i+1]
			d.text = d.text[i+1:]
			return token
		}
	}
	d.failed = true
	return []byte(`""`)
}

// plain reads a string that means what it says.
func (d *decoder) plain() []byte { return d.check(d.token()) }

// check fails at escapes, control characters and bytes that are not UTF-8.
func (d *decoder) check(token []byte) []byte {
	text := token[1 : len(token)-1]
	for _, c := range text {
		if c == '\\' || c < ' ' {
			d.failed = true
		}
	}
	d.failed = d.failed || !utf8.Valid(text)
	return text
}

func (d *decoder) string() string {
	return d.unquoted(func(text []byte) string { return string(text) })
}

func (d *decoder) sharedString() string { return d.unquoted(d.share) }

func (d *decoder) unquoted(keep func([]byte) string) string {
	token := d.token()
	if bytes.IndexByte(token, '\\') < 0 {
		return keep(d.check(token))
	}
	var text string
	d.failed = json.Unmarshal(token, &text) != nil || d.failed
	return text
}

func (d *decoder) share(text []byte) string {
	if len(text) > sharedLength {
		return string(text)
	}
	if known, ok := d.shared[string(text)]; ok {
		return known
	}
	if len(d.shared) >= sharedTexts {
		return string(text)
	}
	if d.shared == nil {
		d.shared = make(map[string]string)
	}
	fresh := string(text)
	d.shared[fresh] = fresh
	return fresh
}

func (d *decoder) float() float64 {
	f, err := strconv.ParseFloat(string(d.number()), 64)
	d.failed = d.failed || err != nil
	return f
}

// number reads what strconv and JSON agree to be one: strconv knows others too.
func (d *decoder) number() []byte {
	n := 0
	digits := func() bool {
		from := n
		for n < len(d.text) && '0' <= d.text[n] && d.text[n] <= '9' {
			n++
		}
		return n > from
	}
	have := func(set string) bool {
		if n < len(d.text) && bytes.IndexByte([]byte(set), d.text[n]) >= 0 {
			n++
			return true
		}
		return false
	}
	have("-")
	ok := have("0") || digits()
	if have(".") {
		ok = digits() && ok
	}
	if have("eE") {
		have("+-")
		ok = digits() && ok
	}
	number := d.text[:n]
	d.text, d.failed = d.text[n:], d.failed || !ok
	return number
}

// storedItem is store.Item without its UnmarshalJSON: what this package wrote
// has no unknown fields to sort out.
type storedItem store.Item

func decodeItem(text []byte) (store.Item, error) {
	var it storedItem
	if err := json.Unmarshal(text, &it); err != nil {
		return store.Item{}, err
	}
	for name, value := range it.Attributes {
		list, ok := value.([]any)
		if !ok {
			continue
		}
		texts := make([]string, len(list))
		for i, v := range list {
			if texts[i], ok = v.(string); !ok {
				return store.Item{}, fmt.Errorf("attribute %q holds %v, which is not text", name, v)
			}
		}
		it.Attributes[name] = texts
	}
	return store.Item(it), nil
}

func encodeVector(v []float32) []byte {
	out := make([]byte, 0, 4*len(v))
	for _, f := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(f))
	}
	return out
}

func appendVector(v []float32, blob []byte) []float32 {
	for ; len(blob) >= 4; blob = blob[4:] {
		v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(blob)))
	}
	return v
}

func decodeVector(blob []byte) []float32 { return appendVector(make([]float32, 0, len(blob)/4), blob) }
