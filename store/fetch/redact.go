package fetch

import (
	"net/url"
	"strconv"
	"strings"
)

// redact returns an address as errors may show it: queries hold signatures,
// and what stands before an @ is a password.
func redact(raw string) string {
	raw = strings.TrimSpace(raw)
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" {
		return shorten(redactText(raw))
	}
	hasQuery := u.RawQuery != ""
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	text := shorten(u.String())
	if hasQuery {
		text += "?…"
	}
	return text
}

// redactText is for what no one can tell the parts of.
func redactText(raw string) string {
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		raw = raw[:i] + "?…"
	}
	if at := strings.LastIndexByte(raw, '@'); at >= 0 {
		raw = "…" + raw[at:]
	}
	return raw
}

func shorten(text string) string {
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
