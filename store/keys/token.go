package keys

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash/crc32"
	"time"

	"sightline/store"
)

// A key is "sl_", 30 random letters and digits (178 bits) and 6 that hold the
// CRC-32 of what is before them: scanners for leaked secrets find keys by
// sl_[0-9A-Za-z]{36} and tell them from other text, and a mistyped key is
// refused as such.
const (
	prefix      = "sl_"
	randomLen   = 30
	checkLen    = 6
	tokenLen    = len(prefix) + randomLen + checkLen
	alphabet    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	base        = uint32(len(alphabet))
	sessionMark = "sls_"
	idLen       = 12 // hex digits
)

// sessionLen is the length of a session value: the mark and 32 bytes in base64.
var sessionLen = len(sessionMark) + base64.RawURLEncoding.EncodedLen(sha256.Size)

type digest [sha256.Size]byte

func (d digest) id() string { return hex.EncodeToString(d[:])[:idLen] }

// bucket is where a digest is looked up. Its bytes are those of the id, which is
// no secret, so that the time a look-up takes tells nothing that is.
func (d digest) bucket() [idLen / 2]byte { return [idLen / 2]byte(d[:idLen/2]) }

func (d digest) equal(o digest) bool { return subtle.ConstantTimeCompare(d[:], o[:]) == 1 }

// Wanted says what a new key is to be. Expires zero means never.
type Wanted struct {
	Name    string
	Scopes  Scopes
	Expires time.Time
}

// Check says what is wrong with w, so that nothing is opened for it.
func (w Wanted) Check(now time.Time) error {
	k := w.key(now)
	return k.check()
}

func (w Wanted) key(now time.Time) Key {
	return Key{Name: w.Name, Scopes: w.Scopes, Created: whole(now), Expires: whole(w.Expires)}
}

// New makes a key. The secret is what its user gets; it is kept nowhere.
func New(w Wanted, now time.Time) (Key, store.Secret, error) {
	k := w.key(now)
	if err := k.check(); err != nil {
		return Key{}, "", err
	}
	token := draw()
	k.hash = sha256.Sum256(token)
	k.session = sha256.Sum256([]byte(sessionOf(token)))
	k.ID = k.hash.id()
	return k, store.Secret(token), nil
}

// draw makes the text of a key.
func draw() []byte {
	const fair = 256 / len(alphabet) * len(alphabet)
	token := append(make([]byte, 0, tokenLen), prefix...)
	for buf := make([]byte, 2*randomLen); ; {
		_, _ = rand.Read(buf) // never fails; the program ends where there is no randomness
		for _, b := range buf {
			if int(b) >= fair { // else the first letters would come more often
				continue
			}
			if token = append(token, alphabet[int(b)%len(alphabet)]); len(token) == len(prefix)+randomLen {
				check := checksum(token)
				return append(token, check[:]...)
			}
		}
	}
}

// checksum is the CRC-32 in six digits to the base 62.
func checksum(body []byte) [checkLen]byte {
	var out [checkLen]byte
	sum := crc32.ChecksumIEEE(body)
	for i := checkLen - 1; i >= 0; i-- {
		out[i] = alphabet[sum%base]
		sum /= base
	}
	return out
}

// hashToken refuses what cannot be a key before anything is looked up. It
// allocates nothing.
func hashToken(token string) (digest, error) {
	if len(token) != tokenLen || token[:len(prefix)] != prefix {
		return digest{}, ErrMalformed
	}
	var text [tokenLen]byte
	copy(text[:], token)
	if check := checksum(text[:tokenLen-checkLen]); string(check[:]) != token[tokenLen-checkLen:] {
		return digest{}, ErrMalformed
	}
	return sha256.Sum256(text[:]), nil
}

// Check says whether text has the form of a key: ErrMalformed where it has not.
func Check(text string) error {
	_, err := hashToken(text)
	return err
}

// Session is a value that stands for a key where it may only look: in a browser's
// cookie, which it sends with pictures. It follows from the key, so that each
// server of several knows it, and not the other way round. It ends with the key.
func Session(token store.Secret) store.Secret { return store.Secret(sessionOf([]byte(token))) }

func sessionOf(token []byte) string {
	mac := hmac.New(sha256.New, token)
	mac.Write([]byte("sightline session"))
	return sessionMark + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func hashSession(value string) (digest, error) {
	if len(value) != sessionLen || value[:len(sessionMark)] != sessionMark {
		return digest{}, ErrMalformed
	}
	return sha256.Sum256([]byte(value)), nil
}
