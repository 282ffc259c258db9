package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
)

// visibility is who may keep an answer: "private" where callers are known by
// keys, so that no cache between gives one's answer to another.
type visibility string

func (o Options) visibility() visibility {
	if o.Access.Keys != nil {
		return "private"
	}
	return "public"
}

// checked says that an answer may be kept and has to be asked about each time.
func (v visibility) checked() string { return string(v) + ", no-cache" }

// held says that an answer of a picture need not be asked about for a while. The
// item may get another one at any time, which is then seen that much later.
func (v visibility) held() string { return string(v) + ", max-age=300" }

// weakTag is an ETag of what parts say, for answers that differ in what does not
// count, such as times.
func weakTag(parts ...[]byte) string {
	sum := sha256.New()
	for _, p := range parts {
		sum.Write(p)
	}
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:15]) + `"`
}

// unchanged answers 304 where the caller has what the tag is of (RFC 9110,
// 13.1.2), before anything is done for it.
func unchanged(w http.ResponseWriter, r *http.Request, tag string) bool {
	given := r.Header.Values("If-None-Match")
	if len(given) == 0 || !holds(strings.Join(given, ","), tag) {
		return false
	}
	w.WriteHeader(http.StatusNotModified)
	return true
}

// holds compares weakly. Our tags have no comma in them.
func holds(list, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for each := range strings.SplitSeq(list, ",") {
		each = strings.TrimSpace(each)
		if each == "*" || strings.TrimPrefix(each, "W/") == tag {
			return true
		}
	}
	return false
}

// respondTagged is respond for a body of which the tag is known.
func respondTagged(w http.ResponseWriter, r *http.Request, tag string, body []byte) {
	w.Header().Set("ETag", tag)
	if !unchanged(w, r, tag) {
		write(w, http.StatusOK, "application/json", body)
	}
}

// trimmed is JSON without the line end that an encoder leaves.
func trimmed(text []byte) []byte { return bytes.TrimSuffix(text, []byte("\n")) }
