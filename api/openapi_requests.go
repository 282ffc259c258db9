package api

import (
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"sightline/api/openapi"
	"sightline/rerank/blend"
	"sightline/store"
)

// requestSchemas are the bodies and parts of bodies that have names. Members are
// those of the decoders; openapi_test.go holds the two together.
func requestSchemas(item *huma.Schema) map[string]*huma.Schema {
	return map[string]*huma.Schema{
		"Filter":  filterSchema(),
		"Search":  searchSchema(),
		"Facet":   facetSchema(),
		"Explain": explainSchema(),
		"PutItem": putSchema(item),
		"Patch":   patchSchema(item),

		"TextOrPicture": phraseSchema(),
		"Rerank":        rerankSchema(),
		"WeaviateQuery": weaviateSchema(),
		"Match":         matchSchema(),
		"Embeddings":    embeddingsSchema(),

		"Captions": captionsSchema(),
		"Answers":  answersSchema(),

		"Changes": openapi.OrNull(openapi.Object("Changes of up to 1000 items, each at most once.", openapi.Props{
			"items":   openapi.List("Whole items; each names its id.", openapi.Ref("PutItem"), maxBatch),
			"patches": openapi.List("Merge patches; each names its id.", openapi.Ref("Patch"), maxBatch),
			"deletes": openapi.List("Ids.", idSchema(), maxBatch),
		})),
		"Deletion": deletionSchema(),
	}
}

// filterParam is the text form alone.
func filterParam() *huma.Schema {
	one := 1
	s := openapi.Text("What hits have to be, as text (docs/filters.md).", 0)
	s.MinLength = &one
	return s
}

func filterSchema() *huma.Schema {
	return &huma.Schema{
		Description: "What hits have to be: JSON, or the text form (docs/filters.md).",
		AnyOf:       []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeObject}},
		Examples:    []any{map[string]any{"category": "shoes", "price": map[string]any{"lt": 50}}, `category = "shoes" AND price < 50`},
	}
}

// searchSchema is the JSON form of a search: decodeSearch.
func searchSchema() *huma.Schema {
	flat := flatSearch()
	s := openapi.Object("A search by text, by a picture, or by both.", openapi.Props{
		"text":            flat["text"],
		"image":           pictureSchema(),
		"limit":           flat["limit"],
		"offset":          flat["offset"],
		"deadline_ms":     flat["deadline_ms"],
		"min_match":       flat["min_match"],
		"negative":        flat["negative"],
		"negative_weight": flat["negative_weight"],
		"rerank": openapi.Object("The second look.", openapi.Props{
			"enabled": flat["rerank"], "depth": flat["depth"], "titles": flat["titles"],
		}),
		"filter":   openapi.Ref("Filter"),
		"group_by": flat["group_by"],
		"explain":  flat["explain"],

		"include_hidden": flat["include_hidden"],

		"diversity": flat["diversity"],
		"boosts": openapi.List("Add to the score of what a filter matches.", openapi.Object("", openapi.Props{
			"name": openapi.Text("For explanations.", 0), "filter": openapi.Ref("Filter"), "by": openapi.Number("In units of the score.", -blend.MaxBoost, blend.MaxBoost),
		}, "filter", "by"), blend.MaxRules),
		"buries": openapi.List("Send what a filter matches below all others.", openapi.Object("", openapi.Props{
			"name": openapi.Text("For explanations.", 0), "filter": openapi.Ref("Filter"),
		}, "filter"), blend.MaxRules),
		"pins": openapi.List("Put items at places.", openapi.Object("", openapi.Props{
			"id": idSchema(), "place": openapi.Whole("From 1.", 1, blend.MaxPlace),
		}, "id", "place"), blend.MaxPins),
		"facets": openapi.List("Fields whose values are counted: names, or objects.", either(openapi.Text("", maxFacetField), openapi.Ref("Facet")), maxFacets),
	})
	openapi.OrNull(s, "by", "place", "id")
	s.Properties["image"].Properties["id"].Nullable = true
	s.AnyOf = []*huma.Schema{{Required: []string{"text"}}, {Required: []string{"image"}}}
	return s
}

func facetSchema() *huma.Schema {
	edge := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeNumber, Description: doc} }
	return openapi.OrNull(openapi.Object("A field whose values are counted.", openapi.Props{
		"field": openapi.Text("brand, category and such, price, or attributes.NAME.", maxFacetField),
		"limit": openapi.Default(openapi.Whole("Values in the answer, the most frequent first.", 1, maxFacetValues), defaultFacetValues),
		"ranges": openapi.List("Of numbers; they may overlap.", openapi.Object("", openapi.Props{
			"from": edge("This and more."), "to": edge("Less than this."),
		}), maxFacetValues),
		"of":    openapi.Default(openapi.OneOf("filter: all items that pass it. hits: the candidates of this search.", "filter", "hits"), "filter"),
		"multi": openapi.Default(openapi.Flag("Leaves the filter's own conditions on the field out."), false),
	}, "field"), "field")
}

// either has one of several forms.
func either(forms ...*huma.Schema) *huma.Schema { return &huma.Schema{AnyOf: forms} }

// addressSchema is that of a picture's address; "" where emptiness is absence.
func addressSchema(doc string) *huma.Schema {
	s := openapi.Text(doc, 0)
	s.Pattern = "^$|^[Hh][Tt][Tt][Pp][Ss]?://"
	return s
}

// boxSchema is the part of a picture: newBox.
func boxSchema() *huma.Schema {
	four := 4
	s := openapi.List("The part of a picture that comes with the request: left, top, right and bottom, in fractions of its width and height.", openapi.Number("", 0, 1), four)
	s.MinItems = &four
	return s
}

func pictureSchema() *huma.Schema {
	base64 := openapi.Text("The bytes of a JPEG, PNG or WebP, up to 10 MiB, as standard base64 or a data: URL.", 0)
	base64.ContentEncoding = "base64"
	return openapi.Object("The picture: the main one of an item, bytes, or an address.", openapi.Props{
		"id": openapi.Text("An item.", maxIDBytes), "base64": base64, "weight": flatSearch()["image_weight"],
		"url": flatSearch()["image_url"], "box": boxSchema(),
	})
}

// flatSearch are the fields of a search in their flat form, as parameters and as
// parts of a form: settings.
func flatSearch() openapi.Props {
	const second = "Needs the second look."
	def := NewSearchRequest("")
	return openapi.Props{
		"text":            openapi.Text("What to search for, in words.", maxTextBytes),
		"limit":           openapi.Default(openapi.Whole("Hits in the answer.", 1, maxLimit), def.Limit),
		"offset":          openapi.Default(openapi.Whole("Hits to skip.", 0, maxOffset), def.Offset),
		"depth":           openapi.Default(openapi.Whole("How many candidates get the second look.", 1, MaxDepth), def.Depth),
		"rerank":          openapi.Default(openapi.Flag("Whether there is a second look."), def.Rerank),
		"titles":          openapi.Default(openapi.Flag("Text and picture: the picture is read with titles too. "+second), def.Titles),
		"min_match":       openapi.Number("Leaves out hits that match with a lower probability. "+second, 0, 1),
		"filter":          filterParam(),
		"deadline_ms":     openapi.Default(openapi.Whole("Milliseconds for the whole request.", int(minDeadline.Milliseconds()), int(maxDeadline.Milliseconds())), int(def.Deadline.Milliseconds())),
		"image_id":        openapi.Text("An item whose main picture to search by.", maxIDBytes),
		"image_url":       addressSchema("Address of a picture to search by, http or https, which the server fetches."),
		"image_box":       openapi.Text("The part of the file, or of what image_url has, that is searched by: left, top, right and bottom with commas between, in fractions of width and height, such as 0.1,0.2,0.5,0.9.", 0),
		"facets":          openapi.Text("Fields whose values are counted, with commas between, or the JSON form.", 0),
		"image_weight":    openapi.Default(openapi.Number("The picture's share beside a text.", 0, 1), def.ImageWeight),
		"negative":        openapi.Text("Words for what hits should not be like.", maxTextBytes),
		"negative_weight": openapi.Default(openapi.Number("How much of that counts.", 0, 1), def.NegativeWeight),
		"group_by":        openapi.Text("A field of which each value is in the answer once, such as group_id.", 0),
		"explain":         openapi.Default(openapi.Flag("Whether each hit says how its score and place came about."), def.Explain),
		"include_hidden":  openapi.Default(openapi.Flag("Whether items are found that their labels hide. Where keys are asked for, needs the scope write or admin."), def.IncludeHidden),
		"diversity":       openapi.Default(openapi.Number("How much it counts against a hit that it looks like those above.", 0, 1), def.Diversity),
	}
}

// explainSchema is decodeExplain.
func explainSchema() *huma.Schema {
	word := openapi.Text("A word of the text, or several that follow each other; or the place of one, from 0.", maxTextBytes)
	s := openapi.Object("One text and one item.", openapi.Props{
		"text":        openapi.Text("The query.", maxTextBytes),
		"id":          named("The item.", idSchema()),
		"view":        openapi.Default(openapi.Whole("Which picture of the item: 0 the main one, n the n-th further one.", 0, store.MaxViews), 0),
		"word":        {Description: word.Description, AnyOf: []*huma.Schema{{Type: huma.TypeString, MaxLength: word.MaxLength}, {Type: huma.TypeInteger, Minimum: new(float64)}}},
		"format":      openapi.OneOf("json unless Accept asks for image/png.", formatJSON, formatPNG),
		"layers":      openapi.List("Whose attention is averaged, from 0; the model's own choice where not given.", &huma.Schema{Type: huma.TypeInteger, Minimum: new(float64)}, maxLayers),
		"deadline_ms": openapi.Default(flatSearch()["deadline_ms"], int(explainDeadline.Milliseconds())),
	}, "text", "id")
	s.Properties["text"].Pattern = `\S`
	return openapi.OrNull(s, "text", "id")
}

func named(doc string, s *huma.Schema) *huma.Schema {
	s.Description = doc
	return s
}

// putSchema is decodePut: an item as it is sent. The id stands in the address.
func putSchema(item *huma.Schema) *huma.Schema {
	s := writable(item)
	s.Description = "A whole item. Names that are no fields of an item become attributes. Every item has a picture: image, or a file of a form."
	return openapi.OrNull(s)
}

// patchSchema is decodePatch.
func patchSchema(item *huma.Schema) *huma.Schema {
	one := 1
	s := writable(item)
	s.Description = "A JSON merge patch (RFC 7396): what it names changes, null removes, all else stays."
	s.MinProperties = &one
	return openapi.OrNull(s, "id", "image")
}

// writable is an item with what a writer may send besides.
func writable(item *huma.Schema) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{}, AdditionalProperties: attributeSchema()}
	for name, p := range item.Properties {
		c := *p
		s.Properties[name] = &c
	}
	zero, currency := 0.0, s.Properties["currency"]
	s.Properties["price"].Minimum, s.Properties["version"].Minimum = &zero, &zero
	currency.Pattern = "^([A-Z]{3})?$"
	s.Properties["id"] = named(s.Properties["id"].Description, idSchema())
	s.Properties["image"].Description = "The main picture: an http(s) address or a data: URL."
	most := store.MaxViews
	s.Properties["images"] = &huma.Schema{
		Description: "Further pictures, up to 19; one may stand without a list.",
		AnyOf:       []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}, MaxItems: &most}},
	}
	s.Properties["attributes"].AdditionalProperties = attributeSchema()
	return s
}

// attributeSchema is the value of a free attribute.
func attributeSchema() *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{
		{Type: huma.TypeString},
		{Type: huma.TypeNumber},
		{Type: huma.TypeBoolean},
		{Type: "null"},
		{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}},
	}}
}

// deletionSchema is decodeDeletion.
func deletionSchema() *huma.Schema {
	one := 1
	ids := openapi.List("Items to delete.", idSchema(), maxDeleteIDs)
	ids.MinItems = &one
	s := openapi.Object("By id, or by a filter with expect or confirm.", openapi.Props{
		"ids":     ids,
		"filter":  openapi.Ref("Filter"),
		"expect":  {Type: huma.TypeInteger, Minimum: new(float64), Description: "How many items the filter must name."},
		"confirm": openapi.Flag("However many it names, up to 100,000."),
	})
	openapi.OrNull(s, "ids", "id")
	s.OneOf = []*huma.Schema{{Required: []string{"ids"}}, {Required: []string{"filter"}}}
	return s
}

// queryParams are those of the flat fields that a route takes: all but some, and
// with other names for some.
func queryParams(props openapi.Props, without []string, more openapi.Props) openapi.Props {
	out := maps.Clone(props)
	maps.DeleteFunc(out, func(name string, _ *huma.Schema) bool { return slices.Contains(without, name) })
	maps.Copy(out, more)
	return out
}
