package catalogue

// hue is a colour that a product can have: its word, what else people call it,
// and how it is painted.
type hue struct {
	word, synonym string
	rgb           rgb
	tint          rgb // of a pattern on this colour: lighter, or darker where lighter would not show
}

type rgb [3]int32

// hues are far enough apart to be told from each other under the light and the
// jitter that pictures add.
var hues = [...]hue{
	{"red", "", rgb{214, 40, 48}, rgb{255, 226, 220}},
	{"orange", "", rgb{246, 134, 32}, rgb{255, 240, 220}},
	{"yellow", "", rgb{250, 210, 56}, rgb{198, 142, 18}},
	{"green", "", rgb{50, 152, 74}, rgb{222, 246, 218}},
	{"blue", "", rgb{42, 92, 208}, rgb{222, 234, 255}},
	{"purple", "violet", rgb{122, 58, 172}, rgb{240, 224, 252}},
	{"pink", "", rgb{248, 146, 188}, rgb{255, 246, 250}},
	{"brown", "", rgb{120, 72, 42}, rgb{242, 224, 202}},
	{"black", "", rgb{38, 38, 44}, rgb{208, 208, 214}},
	{"white", "", rgb{248, 247, 243}, rgb{118, 132, 158}},
	{"grey", "gray", rgb{140, 144, 152}, rgb{244, 246, 248}},
	{"turquoise", "teal", rgb{36, 186, 186}, rgb{224, 252, 248}},
}

// Indices of patterns, as they stand in records and specs.
const (
	plain = iota
	striped
	dotted
	checked
	floral
	zigzag
)

type word struct{ word, synonym string }

var patterns = [...]word{
	{"plain", ""},
	{"striped", "stripy"},
	{"dotted", "spotted"},
	{"checked", "checkered"},
	{"floral", "flowery"},
	{"zigzag", ""},
}

// Indices of sizes, as they stand in records and specs. Captions never say
// medium.
const (
	small = iota
	medium
	large
)

var sizes = [...]word{{"small", "little"}, {"medium", ""}, {"large", "big"}}

// partSynonyms are other words for parts.
var partSynonyms = map[string]string{"rim": "edge", "straps": "bands", "legs": "feet"}

// glue are the words of captions that name nothing.
var glue = [...]string{
	",", "a", "an", "the", "with", "on", "in", "and", "has", "have", "that", "is", "are", "of", "to", "its", "it",
	"left", "right", "beside", "next", "inside", "top", "standing", "two", "three",
}
