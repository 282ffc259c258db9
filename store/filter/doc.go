// Package filter is the filter language of the catalogue: conditions on the
// fields of an item, joined by AND, OR and NOT. It has two written forms, text
// (Parse) and JSON (ParseJSON), and one tree (Expr). docs/filters.md shows both
// forms by example. The package imports nothing else of Sightline.
//
//	category = "shoes" AND price < 50 AND NOT brand IN ("a", "b")
//	{"category": "shoes", "price": {"lt": 50}, "not": {"brand": {"in": ["a", "b"]}}}
//
// # Fields
//
// Fixed fields have one type: price is a Number, version an Int, updated_at a
// Time, and id, title, description, url, image, currency, availability, brand,
// category, color and group_id are Strings. Every other name is a free
// attribute, whose type may differ from item to item: String, Number, Bool or
// List. In a tree its name always begins with "attributes."; in both written
// forms the bare name means the same. Names are case-sensitive. A bare name
// that differs from a fixed one in case only is an error, since it would
// otherwise match nothing without a word.
//
// # Meaning
//
// There are two truth values. An item either matches or it does not:
//
//   - A field is missing when the JSON of the item leaves it out: no price, an
//     empty fixed text, version 0, no updated_at, an attribute without a value.
//     An attribute that holds "" or an empty list is there.
//   - A missing field makes every condition on it false, != and NOT IN too;
//     only MISSING is true of it.
//   - NOT e is true exactly when e is false. So NOT brand = "a" matches items
//     without a brand and brand != "a" does not.
//   - A condition is false for an item whose attribute has another type than
//     the value in the filter: size = 42 and size != 42 are both false where
//     size is "42". The values of one list are all of one type.
//   - = and != compare one value. They are false for a list, which has CONTAINS.
//   - Strings are equal, ordered and prefixed byte by byte, so case matters and
//     nothing is normalised. Numbers compare as float64 and -0 is 0; Ints
//     compare as int64, so versions beyond 2^53 keep their digits. Times
//     compare as instants: the zone does not matter. Bools have no order.
//   - BETWEEN a AND b means >= a AND <= b.
//   - CONTAINS ANY wants at least one of its texts in the list, CONTAINS ALL
//     every one.
//
// A value that cannot fit its fixed field is an error of the parser, not a
// condition that is never true.
//
// # Limits
//
// 32 levels of nesting (AND, OR and NOT in the tree, parentheses and NOT in the
// text), 256 conditions (BETWEEN counts as two), 1000 values in a list, and
// 64 KiB: of what is given, and of its canonical text and JSON. That makes every
// accepted filter survive Parse(Format(e)) and ParseJSON of its JSON unchanged.
package filter

// Limits of one filter; see the package comment.
const (
	maxDepth  = 32
	maxLeaves = 256
	maxValues = 1000
	maxSize   = 1 << 16 // bytes
)
