package shopify

import (
	"os"
	"testing"

	"sightline/store"
)

// TestSigned holds signatures to what another program makes of the same bytes:
//
//	printf '{"id":788032119674292922}' | openssl dgst -sha256 -hmac hush -binary | openssl base64 -A
//	openssl dgst -sha256 -hmac hush -binary < testdata/golden/tee.json | openssl base64 -A
func TestSigned(t *testing.T) {
	const (
		deletion = `{"id":788032119674292922}`
		good     = "fhhqwxYconmiOqTJ0cD1XzOlT7ONdp6Ryc18pkvlq5Q="
		old      = "g97j83X9Yi8ckBvgxC5c063JrDRLnWsKCH0b96xmtJs=" // -hmac hush-old
		empty    = "Knm8rWjeSXNIt2H0AOMT7DQ8/YSy8sQi/pEjbuUmGMs=" // printf ''
	)
	tee, err := os.ReadFile("testdata/golden/tee.json")
	if err != nil {
		t.Fatal(err)
	}
	both, one := []store.Secret{"hush", "hush-old"}, []store.Secret{"hush"}
	for _, c := range []struct {
		name, header, body string
		secrets            []store.Secret
		want               bool
	}{
		{"good", good, deletion, one, true},
		{"new of two", good, deletion, both, true},
		{"old of two", old, deletion, both, true},
		{"old, no longer taken", old, deletion, one, false},
		{"a product", "htvwiLLtLbYfvGk8CEMGn9+AX3o5/B3wtowC4se+IYA=", string(tee), one, true},
		{"empty body", empty, "", one, true},
		{"of another body", empty, deletion, both, false},
		{"body with a space more", good, deletion + " ", both, false},
		{"one bit", "fhhqwxYconmiOqTJ0cD1XzOlT7ONdp6Ryc18pkvlq5R=", deletion, both, false},
		{"none", "", deletion, both, false},
		{"cut", good[:40], deletion, both, false},
		{"spaces", " " + good, deletion, both, false},
		{"hexadecimal", "7e186ac31d1ca279a23aa4c9d1c0f55f33a54fb38d769e91c9cd7ca64be5ab94", deletion, both, false},
		{"URL alphabet", "htvwiLLtLbYfvGk8CEMGn9-AX3o5_B3wtowC4se-IYA=", string(tee), one, false},
		{"twice", good + good, deletion, both, false},
		{"no secrets", good, deletion, nil, false},
	} {
		if got := signed(c.header, []byte(c.body), c.secrets); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
