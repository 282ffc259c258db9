package shopify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"sightline/store"
)

// signed tells whether the header is the HMAC of the body under one of the
// secrets. All are tried, whichever fits, so that time says nothing.
func signed(header string, body []byte, secrets []store.Secret) bool {
	given, err := base64.StdEncoding.Strict().DecodeString(header)
	if err != nil || len(given) != sha256.Size {
		return false // of a form that no secret can make
	}
	fits := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		fits = hmac.Equal(given, mac.Sum(nil)) || fits
	}
	return fits
}
