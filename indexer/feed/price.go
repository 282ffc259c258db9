package feed

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// parsePrice reads "19.99 EUR", "€ 1.299,00", "1'299.-" and the like. The
// currency is empty where none is named or the sign is that of several ($, ¥).
func parsePrice(given string) (price float64, currency string, err error) {
	digits, rest := cutNumber(given)
	if currency, err = currencyOf(given, rest); err != nil {
		return 0, "", err
	}
	price, err = decimal(given, digits, currency)
	return price, currency, err
}

func parseNumber(given string) (float64, error) {
	if n, err := strconv.ParseFloat(given, 64); err == nil && !strings.ContainsAny(given, "xXpP_nN") {
		return n, nil // 1e-3, too; not hexadecimal, NaN or Inf
	}
	digits, rest := cutNumber(given)
	if rest != "" {
		return 0, fmt.Errorf("is %q, which is no number; write it as 1234.5", shorten(given, 40))
	}
	return decimal(given, digits, "")
}

// cutNumber takes the number out of what stands around it. Spaces and
// apostrophes between digits group thousands.
func cutNumber(given string) (digits, rest string) {
	first := strings.IndexAny(given, "0123456789")
	last := strings.LastIndexAny(given, "0123456789")
	if first < 0 {
		return "", strings.TrimSpace(given)
	}
	if first > 0 && strings.ContainsRune(".,-", rune(given[first-1])) {
		first--
	}
	digits = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '\'' || r == '’' {
			return -1
		}
		return r
	}, given[first:last+1])
	after := strings.TrimLeft(given[last+1:], ".,-–") // "129,-"
	before := strings.TrimSpace(given[:first])
	if strings.HasSuffix(before, "-") {
		before, digits = before[:len(before)-1], "-"+digits
	}
	return digits, strings.TrimSpace(before + " " + strings.TrimSpace(after))
}

func currencyOf(given, rest string) (string, error) {
	switch code := strings.ToUpper(strings.Trim(rest, " .")); {
	case isCurrency(code):
		return code, nil
	case code == "€":
		return "EUR", nil
	case code == "£":
		return "GBP", nil
	case code == "" || code == "$" || code == "¥" || code == "KR" || code == "FR":
		return "", nil
	}
	return "", fmt.Errorf("is %q, which cannot be read; write it as 19.99 EUR", shorten(given, 40))
}

func isCurrency(code string) bool {
	return len(code) == 3 && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// decimal reads digits with points and commas. The last sign of two kinds is
// the decimal one; a comma before exactly three digits groups thousands, as no
// shop writes prices in thousandths with it. A point there may be either, and
// being wrong by a thousand is worse than asking.
func decimal(given, digits, currency string) (float64, error) {
	point, comma := strings.LastIndexByte(digits, '.'), strings.LastIndexByte(digits, ',')
	sign, group := byte('.'), byte(',')
	if comma > point {
		sign, group = ',', '.'
	}
	at := max(point, comma)
	behind := len(digits) - at - 1
	single := strings.Count(digits, string(sign)) == 1
	switch {
	case at < 0:
	case min(point, comma) < 0 && single && behind == 3 && sign == '.' && !thousandths(currency):
		if whole := strings.TrimLeft(digits[:at], "-"); whole != "" && whole[0] != '0' && len(whole) <= 3 {
			return 0, fmt.Errorf("is %q, where the point may group thousands or be the decimal one; write %s.00, or two digits after the point", shorten(given, 40), digits[:at]+digits[at+1:])
		}
	case min(point, comma) < 0 && (!single || sign == ',' && behind == 3):
		sign, group = 0, sign // only thousands
	case !single:
		return 0, fmt.Errorf("is %q, which cannot be read; write it as 1234.50", shorten(given, 40))
	}
	plain := strings.ReplaceAll(digits, string(group), "")
	if sign == ',' {
		plain = strings.Replace(plain, ",", ".", 1)
	}
	n, err := strconv.ParseFloat(plain, 64)
	if err != nil || strings.Trim(plain, "-.0123456789") != "" {
		return 0, fmt.Errorf("is %q, which is no number; write it as 1234.50", shorten(given, 40))
	}
	return n, nil
}

// thousandths names the currencies that have them.
func thousandths(currency string) bool {
	switch currency {
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return true
	}
	return false
}

// availability brings the spellings of the four states to Google's, with a
// space; what else a shop says is kept.
func availability(given string) string {
	key := squeeze(given[strings.LastIndexByte(given, '/')+1:]) // https://schema.org/InStock
	switch key {
	case "instock", "available", "limitedavailability", "instoreonly", "onlineonly":
		return "in stock"
	case "outofstock", "soldout", "unavailable", "notavailable", "discontinued":
		return "out of stock"
	case "preorder", "presale":
		return "preorder"
	case "backorder", "onbackorder", "availablefororder":
		return "backorder"
	}
	return given
}
