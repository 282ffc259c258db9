package feed

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParsePrice(t *testing.T) {
	for _, tt := range []struct {
		given    string
		price    float64
		currency string
	}{
		{"19.99 EUR", 19.99, "EUR"},
		{"EUR 19.99", 19.99, "EUR"},
		{"19,99 €", 19.99, "EUR"},
		{"€19.99", 19.99, "EUR"},
		{"£ 5", 5, "GBP"},
		{"$1,299.00", 1299, ""},
		{"1,299 usd", 1299, "USD"},
		{"1.299,00 EUR", 1299, "EUR"},
		{"1.299.000,5 EUR", 1299000.5, "EUR"},
		{"1,299,000", 1299000, ""},
		{"1.299.000", 1299000, ""},
		{"1 299,00 kr", 1299, ""},
		{"1\u00a0299,00 kr.", 1299, ""},
		{"CHF 1'299.50", 1299.5, "CHF"},
		{"129,-", 129, ""},
		{"129.– CHF", 129, "CHF"},
		{"1.250 KWD", 1.25, "KWD"},
		{"0.125", 0.125, ""},
		{"1234.567", 1234.567, ""},
		{"-5", -5, ""},
		{"- 5 EUR", -5, "EUR"},
		{".5", 0.5, ""},
		{"0", 0, ""},
	} {
		price, currency, err := parsePrice(tt.given)
		if price != tt.price || currency != tt.currency || err != nil {
			t.Errorf("parsePrice(%q) = %v, %q, %v; want %v, %q", tt.given, price, currency, err, tt.price, tt.currency)
		}
	}
	for _, given := range []string{"", "call", "1.299 EUR", "12 34 EUROS", "5 or 6", "1.2,3.4", "1,2.3,4", "--5", "EUR", "5 EUR 6", "NaN"} {
		if price, currency, err := parsePrice(given); err == nil {
			t.Errorf("parsePrice(%q) = %v, %q", given, price, currency)
		}
	}
}

func TestParseNumber(t *testing.T) {
	for given, want := range map[string]float64{"1": 1, "-1.5": -1.5, "1e-3": 0.001, "1,5": 1.5, "1.234,5": 1234.5, "1.234": 1.234} {
		if got, err := parseNumber(given); got != want || err != nil {
			t.Errorf("parseNumber(%q) = %v, %v; want %v", given, got, err, want)
		}
	}
	for _, given := range []string{"", "x", "NaN", "Inf", "0x10", "1_000", "5 cm"} {
		if got, err := parseNumber(given); err == nil {
			t.Errorf("parseNumber(%q) = %v", given, got)
		}
	}
}

func TestNames(t *testing.T) {
	for given, want := range map[string]string{
		"Image Link": "image_link", "g:imageLink": "g_image_link", "Heel height (cm)": "heel_height_cm", "ageGroup": "age_group",
		"  x  ": "x", "Größe": "größe", "ABC": "abc", "(?)": "", "size2": "size2",
	} {
		if got := snake(given); got != want {
			t.Errorf("snake(%q) = %q, want %q", given, got, want)
		}
	}
	for _, name := range []string{"Image Link", "image_link", "g:imageLink", "IMAGE-LINK", " image.link "} {
		if c := (mapping{}).column(name); c.field != fieldImage {
			t.Errorf("column(%q) = %+v", name, c)
		}
	}
	for name, want := range map[string]column{
		"additional_image_link_3":  {field: fieldImages, name: "additional_image_link_3"},
		"Image 2":                  {field: fieldImages, name: "image_2"},
		"size:list":                {name: "size", kind: list},
		"c:season":                 {name: "season"},
		"attributes.sole":          {name: "sole"},
		"sale price":               {name: "sale_price", kind: amount},
		"size2":                    {name: "size2"},
		"price:number":             {field: fieldPrice, name: "price", kind: number},
		"Ratio 4:3":                {name: "ratio_4_3"},
		"google_product_category ": {field: fieldCategory, name: "google_product_category", rank: 2},
	} {
		if got := (mapping{}).column(name); got != want {
			t.Errorf("column(%q) = %+v, want %+v", name, got, want)
		}
	}
}

func TestPlainText(t *testing.T) {
	for given, want := range map[string]string{
		"plain":                            "plain",
		"a < b > c":                        "a < b > c",
		"size <M>":                         "size <M>",
		"Salt &amp; Pepper":                "Salt & Pepper",
		"R&D; done":                        "R&D; done",
		"<p>One</p><p>two<br>three</p>":    "One\ntwo\nthree",
		"<ul>\n <li>a</li>\n <li>b</li>":   "a\nb",
		"<b>bo</b>ld  and\n <i>slant</i>":  "bold and slant",
		"<style>p{}</style>x<script>y":     "x",
		"<p>a<!-- no --> &lt;tag&gt;</p>":  "a <tag>",
		"<td>1</td><td>2</td>":             "1 2",
		"&nbsp;<p>&nbsp;x&nbsp;</p>":       "x",
		"<p title='a>b'>x</p>":             "x",
		"<!-- only -->":                    "",
		"<p>unclosed <b":                   "unclosed",
		"<p>" + strings.Repeat(" \n", 3e4): "",
	} {
		if got := plainText(given); got != want {
			t.Errorf("plainText(%.40q) = %q, want %q", given, got, want)
		}
	}
}

func TestAvailability(t *testing.T) {
	for given, want := range map[string]string{
		"in_stock": "in stock", "In Stock": "in stock", "https://schema.org/InStock": "in stock", "sold out": "out of stock",
		"PreOrder": "preorder", "backorder": "backorder", "in 3 weeks": "in 3 weeks", "": "",
	} {
		if got := availability(given); got != want {
			t.Errorf("availability(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestSplitImages(t *testing.T) {
	for given, want := range map[string]string{
		"a.jpg":                                  "a.jpg",
		"a.jpg, b.jpg,":                          "a.jpg;b.jpg",
		"http://x/w_1,h_2/a.jpg,https://x/b.jpg": "http://x/w_1,h_2/a.jpg;https://x/b.jpg",
		"a.jpg|b.jpg\nc.jpg":                     "a.jpg;b.jpg;c.jpg",
		"data:image/png;base64,AA,b.jpg":         "data:image/png;base64,AA;b.jpg",
	} {
		if got := splitImages(given); !slices.Equal(got, strings.Split(want, ";")) && !strings.HasPrefix(given, "data:") {
			t.Errorf("splitImages(%q) = %q, want %q", given, got, want)
		}
	}
	if got := splitImages("data:image/png;base64,AA,b.jpg"); len(got) != 2 || got[0] != "data:image/png;base64,AA" || got[1] != "b.jpg" {
		t.Errorf("data URL: %q", got)
	}
}

func TestParseTime(t *testing.T) {
	want := time.Date(2026, 1, 31, 12, 30, 0, 0, time.UTC)
	for _, given := range []string{"2026-01-31T12:30:00Z", "2026-01-31T13:30:00+01:00", "2026-01-31 12:30", "2026-01-31 12:30:00 +0000", "Sat, 31 Jan 2026 12:30:00 +0000"} {
		if got, err := parseTime(given); err != nil || !got.Equal(want) {
			t.Errorf("parseTime(%q) = %v, %v", given, got, err)
		}
	}
	if got, err := parseTime("31.1.2026"); err == nil {
		t.Errorf("parseTime = %v", got)
	}
}

func TestRepair(t *testing.T) {
	if got := repair([]byte("caf\xe9 ä \x80")); got != "café ä €" {
		t.Errorf("repair = %q", got)
	}
	if got := badByte("aä\xff"); got != 4 {
		t.Errorf("badByte = %d", got)
	}
	if got := badByte("a\uFFFDb"); got != 0 {
		t.Errorf("badByte of a text with U+FFFD = %d", got)
	}
}

func TestIsWindows1252(t *testing.T) {
	for given, want := range map[string]bool{
		"caf\xe9": true, "\xdcber": true, "5 \x80": true, "\x93quoted\x94": true, "GR\xd6SSE": true, "caf\xe9 \xc3\xa9": false,
		"\xff\xfe": false, "abc\xff": false, "\xc3(": false, " \xe9 ": false, "a\x81b": false, "plain": false,
	} {
		if got := isWindows1252([]byte(given)); got != want {
			t.Errorf("isWindows1252(%q) = %v", given, got)
		}
	}
}
