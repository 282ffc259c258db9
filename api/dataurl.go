package api

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// files are the pictures of a form.
type files struct {
	main    []byte
	further [][]byte
}

func indexed(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }

// decodeDataURL reads data:[TYPE][;PARAMETERS][;base64],DATA (RFC 2397). The
// type is passed over: what the bytes are decides. problem continues the
// field's name.
func decodeDataURL(text string) (data []byte, problem string) {
	head, body, ok := strings.Cut(text[len("data:"):], ",")
	if !ok {
		return nil, "is a data: URL without a comma: write data:image/jpeg;base64,…"
	}
	if strings.ContainsRune(body, '%') {
		var err error
		if body, err = url.PathUnescape(body); err != nil {
			return nil, "is a data: URL with a broken percent escape"
		}
	}
	data = []byte(body)
	if head = strings.ToLower(strings.ReplaceAll(head, " ", "")); strings.HasSuffix(head, ";base64") {
		var err error
		if data, err = decodeBase64(body); err != nil {
			return nil, "is a data: URL whose base64 cannot be read"
		}
	}
	switch {
	case len(data) == 0:
		return nil, "is an empty data: URL: give the bytes of a JPEG, PNG or WebP"
	case len(data) > maxPictureBytes:
		return nil, fmt.Sprintf("is a picture of %d bytes; the limit is %d", len(data), maxPictureBytes)
	}
	return data, ""
}

// decodeBase64 takes both alphabets, with and without padding and line ends, as
// the feeds' reader does.
func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "", " ", "", "=", "").Replace(text)
	return base64.RawStdEncoding.DecodeString(text)
}
