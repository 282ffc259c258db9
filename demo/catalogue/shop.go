package catalogue

import (
	"fmt"
	"strings"
)

// Product is what a shop knows of a picture, in the names of Sightline's JSONL
// feed.
type Product struct {
	ID           string         `json:"id"`
	Title        string         `json:"title"`
	Description  string         `json:"description"`
	Image        string         `json:"image"`
	Price        float64        `json:"price"`
	Currency     string         `json:"currency"`
	Availability string         `json:"availability"`
	Brand        string         `json:"brand"`
	Category     string         `json:"category"`
	Color        string         `json:"color"`
	GroupID      string         `json:"group_id,omitempty"`
	Attributes   map[string]any `json:"attributes"`
}

// Brands are invented; a type keeps to two of them.
var brands = [...]string{
	"Birchline", "Nordquay", "Tillow", "Marvane", "Oakenby", "Pellstar", "Quillmoor", "Fennwick", "Halvio", "Sunderby", "Loomcraft", "Vantry",
}

// sentences close a description, by the first word of the category.
var sentences = map[string][]string{
	"Clothing":    {"Soft to wear and easy to wash.", "Cut for every day.", "Made of pure cotton."},
	"Accessories": {"A small thing that makes an outfit.", "Comes in a gift box.", "Light and well made."},
	"Shoes":       {"Comfortable from the first step.", "Light, with a firm grip."},
	"Bags":        {"Room for what a day needs.", "Sturdy seams, made to last."},
	"Kitchen":     {"Safe in the dishwasher.", "For the table and for the stove.", "Hard glaze that keeps its colour."},
	"Home":        {"Looks well in any room.", "Made by hand, so no two are quite alike."},
	"Furniture":   {"Solid wood, simple to put together.", "Made for small and large rooms."},
	"Lighting":    {"Warm light for long evenings.", "For shelf and bedside."},
	"Tools":       {"Built for years of work.", "Lies well in the hand."},
	"Toys":        {"For children from three years on.", "Painted with safe colours.", "For rainy and for sunny days."},
	"Books":       {"Strong binding, 160 pages.", "Blank pages for your own stories."},
	"Sets":        {"Sold together at a better price.", "Goes well together, also as a present."},
}

// sku numbers products by type, as shops do: MUG-00017, SET-00004.
func sku(r Record, counts map[string]int) string {
	prefix := "SET"
	if len(r.Objects) == 1 {
		prefix = strings.ToUpper(kinds[r.Objects[0].Type].word)
	}
	counts[prefix]++
	return fmt.Sprintf("%s-%05d", prefix, counts[prefix])
}

// Product describes a picture as its shop would. The title comes from the
// caption grammar, so it is true and every word of it is in the vocabulary.
func (w *World) Product(p Picture) Product {
	d := roll(p.Seed, 3)
	first := p.Record.Objects[0]
	brand, category := brands[(first.Type*5+d.below(2))%len(brands)], "Sets"
	if len(p.Record.Objects) == 1 {
		category = kinds[first.Type].category
	}
	full := w.full(p.Record)
	area, _, _ := strings.Cut(category, " >")
	out := Product{
		ID: p.ID, Title: title(full), Image: "pictures/" + p.ID + ".png",
		Description: title(full) + " by " + brand + ". " + pick(d, sentences[area]...),
		Price:       price(d, p.Record), Currency: "EUR", Availability: "in stock",
		Brand: brand, Category: category, Color: hues[first.Color].word,
		Attributes: attributes(p.Record),
	}
	if d.percent(12) {
		out.Availability = "out of stock"
	}
	if len(p.Record.Objects) == 1 {
		out.GroupID = fmt.Sprintf("%s-DESIGN-%05d", strings.ToUpper(kinds[first.Type].word), p.Family)
	}
	return out
}

// full says everything of a single product, and the looks of those of a set.
func (w *World) full(r Record) string {
	s := Spec{Groups: groupsOf(r)}
	for i, g := range s.Groups {
		o := object(r, g)
		g.Color = o.Color
		if o.Pattern != plain {
			g.Pattern = o.Pattern
		}
		if o.Size != medium {
			g.Size = o.Size
		}
		if len(r.Objects) == 1 {
			g.Parts, g.Count = o.Parts, 0
		}
		if kinds[g.Type].plural == "" {
			g.Count = 0
		}
		s.Groups[i] = g
	}
	if len(r.Relations) == 1 && r.Relations[0].Kind != LeftOf {
		s.Relations = r.Relations
	}
	return wording{}.say(s)
}

// title writes a caption, whose commas are words of their own, as people do.
func title(text string) string {
	return strings.ToUpper(text[:1]) + strings.ReplaceAll(text[1:], " ,", ",")
}

// price depends on the kind of thing, and ends as prices do.
func price(d dice, r Record) float64 {
	cents := 0
	for _, o := range r.Objects {
		base := map[string]int{"Furniture": 14900, "Lighting": 3900, "Bags": 4500, "Shoes": 6900, "Clothing": 3500}
		area, _, _ := strings.Cut(kinds[o.Type].category, " >")
		from, ok := base[area]
		if !ok {
			from = 1500
		}
		cents += from * (70 + d.below(90)) * (80 + 20*o.Size) / 10000
	}
	return float64(cents/100) + float64(pick(d, 0, 50, 90, 95, 99))/100
}

func attributes(r Record) map[string]any {
	out := map[string]any{"products": float64(len(r.Objects))}
	if len(r.Objects) > 1 {
		return out
	}
	o := r.Objects[0]
	out["pattern"], out["size"], out["type"] = patterns[o.Pattern].word, sizes[o.Size].word, kinds[o.Type].word
	var parts []string
	for i, p := range kinds[o.Type].parts {
		parts = append(parts, hues[o.Parts[i]].word+" "+p.word)
	}
	out["parts"] = parts
	return out
}
