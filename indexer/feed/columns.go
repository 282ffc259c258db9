package feed

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// field is a part of an item that a column or an element fills.
type field int

const (
	attribute field = iota
	ignored
	fieldImages
	fieldID
	fieldTitle
	fieldDescription
	fieldURL
	fieldImage
	fieldPrice
	fieldCurrency
	fieldAvailability
	fieldBrand
	fieldCategory
	fieldColor
	fieldGroup
	fieldVersion
	fieldUpdated
	fieldCount
)

// jsonName is the name in a JSONL feed.
func (f field) jsonName() string {
	return [fieldCount]string{
		"", "", "additional_image_link", "id", "title", "description", "url", "image", "price", "currency",
		"availability", "brand", "category", "color", "group_id", "version", "updated_at",
	}[f]
}

// kind is the type of an attribute. Texts of a table have none: which it is,
// its column says and never the cell, so that an attribute has one type in all
// items and an article number keeps its zeros.
type kind int

const (
	text kind = iota
	number
	amount // a number that may have a currency, which is dropped
	truth
	list  // cut into texts
	entry // one text of a list
)

// column says what the values under a name become.
type column struct {
	field field
	name  string // of the attribute, or the name of theirs in our spelling
	kind  kind
	rank  int // of names for the same field the lowest wins
}

func (c column) jsonName() string {
	switch c.field {
	case attribute:
		return c.name
	case ignored:
		return ""
	}
	return c.field.jsonName()
}

// mapping is Options.Map by squeezed names.
type mapping map[string]column

func newMapping(pairs map[string]string) (mapping, error) {
	out := mapping{}
	for theirs, ours := range pairs {
		c, err := target(ours)
		if err != nil {
			return nil, fmt.Errorf("map %q: %w", theirs+"="+ours, err)
		}
		key := squeeze(theirs)
		if _, twice := out[key]; twice || key == "" {
			return nil, fmt.Errorf("map %q: the name is empty or given twice", theirs)
		}
		c.rank = -1 // what the user says beats what names suggest
		out[key] = c
	}
	return out, nil
}

// target reads the right side of a map: "price", "sole", "sizes:list", "-".
func target(ours string) (column, error) {
	name, k, typed := cutKind(ours)
	name = strings.TrimPrefix(name, "attributes.")
	switch {
	case name == "-":
		return column{field: ignored}, nil
	case name == "" || snake(name) == "":
		return column{}, errors.New("give the name of a field or of an attribute")
	case name == "images":
		return column{field: fieldImages, name: name}, nil
	}
	for f := fieldImages; f < fieldCount; f++ {
		if f.jsonName() != name {
			continue
		}
		if typed {
			return column{}, fmt.Errorf("%s is a field of every item, whose type is fixed; leave the type out", name)
		}
		return column{field: f, name: name}, nil
	}
	return column{name: name, kind: k}, nil
}

// cutKind splits ":number" and the like off a name.
func cutKind(name string) (string, kind, bool) {
	at := strings.LastIndexByte(name, ':')
	if at < 0 {
		return name, text, false
	}
	switch strings.ToLower(strings.TrimSpace(name[at+1:])) {
	case "text":
		return name[:at], text, true
	case "number":
		return name[:at], number, true
	case "bool":
		return name[:at], truth, true
	case "list":
		return name[:at], list, true
	}
	return name, text, false
}

// column says what a name of theirs means.
func (m mapping) column(theirs string) column {
	if c, ok := m[squeeze(theirs)]; ok {
		return c
	}
	name, k, typed := cutKind(strings.TrimSpace(theirs))
	if c, ok := m[squeeze(name)]; ok {
		return c
	}
	for _, prefix := range []string{"g:", "c:", "attributes."} {
		name = strings.TrimPrefix(name, prefix)
	}
	c := column{name: snake(name)}
	if c.field, c.rank, c.kind = meaning(squeeze(name)); typed {
		c.kind = k
	}
	if c.name == "" {
		c.field = ignored
	}
	return c
}

// meaning knows the names that shops give to the fields of an item, squeezed:
// Google's, Shopify's, and what other shop systems export.
func meaning(key string) (field, int, kind) {
	f, rank := synonym(key)
	if f == attribute {
		if base := strings.TrimRight(key, "0123456789"); base != key {
			if f, _ := synonym(base); f == fieldImage || f == fieldImages {
				return fieldImages, 0, text // image2, additional_image_link_3
			}
		}
		switch key {
		case "saleprice", "compareatprice", "regularprice", "listprice", "msrp", "costofgoodssold":
			return attribute, 0, amount
		case "tags", "keywords", "productbadges":
			return attribute, 0, list
		}
	}
	return f, rank, text
}

// lastResort is the rank of names that say nothing beside another.
const lastResort = 9

// synonym returns the field and the rank of a name.
func synonym(key string) (field, int) {
	switch key {
	case "id":
		return fieldID, 0
	case "sku", "offerid", "itemid", "productid":
		return fieldID, 1
	case "articlenumber", "itemnumber", "productcode":
		return fieldID, 2
	case "guid":
		return fieldID, lastResort
	case "title":
		return fieldTitle, 0
	case "name", "productname", "producttitle", "itemname":
		return fieldTitle, 1
	case "description":
		return fieldDescription, 0
	case "bodyhtml", "body", "productdescription", "longdescription", "content":
		return fieldDescription, 1
	case "summary", "shortdescription":
		return fieldDescription, 2
	case "url", "link":
		return fieldURL, 0
	case "producturl", "productlink", "deeplink":
		return fieldURL, 1
	case "image", "imagelink":
		return fieldImage, 0
	case "imageurl", "imagesrc", "mainimage", "mainimageurl", "primaryimage", "productimage", "productimageurl":
		return fieldImage, 1
	case "picture", "pictureurl", "photo", "photourl", "img", "featuredimage":
		return fieldImage, 2
	case "images", "additionalimagelink", "additionalimagelinks", "additionalimages", "additionalimage", "imageurls", "additionalimageurls", "gallery":
		return fieldImages, 0
	}
	return rareSynonym(key)
}

func rareSynonym(key string) (field, int) {
	switch key {
	case "price":
		return fieldPrice, 0
	case "unitprice", "retailprice", "variantprice":
		return fieldPrice, 1
	case "currency", "currencycode", "pricecurrency":
		return fieldCurrency, 0
	case "availability":
		return fieldAvailability, 0
	case "stockstatus", "availabilitystatus":
		return fieldAvailability, 1
	case "brand":
		return fieldBrand, 0
	case "vendor", "manufacturer":
		return fieldBrand, 1
	case "category":
		return fieldCategory, 0
	case "producttype", "categories", "categorypath":
		return fieldCategory, 1
	case "googleproductcategory", "productcategory":
		return fieldCategory, 2
	case "color", "colour":
		return fieldColor, 0
	case "groupid", "itemgroupid":
		return fieldGroup, 0
	case "parentid", "parentsku":
		return fieldGroup, 1
	case "version":
		return fieldVersion, 0
	case "updatedat", "updated", "lastmodified":
		return fieldUpdated, 0
	}
	return attribute, 0
}

// squeeze makes names comparable: "Image Link", "image_link", "g:imageLink" and
// "IMAGE-LINK" are one.
func squeeze(name string) string {
	name = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "g:")
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, name)
}

// snake spells an attribute's name as Google spells its own: "Heel height (cm)"
// and "heelHeightCm" are heel_height_cm, which a filter can name.
func snake(name string) string {
	var out strings.Builder
	gap, lower := false, false
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			gap, lower = out.Len() > 0, false
			continue
		}
		if gap || lower && unicode.IsUpper(r) {
			out.WriteByte('_')
		}
		gap, lower = false, unicode.IsLower(r)
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}
