package features

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"

	"sightline/store"
)

// An object in a bucket is one record as in a segment, header and payload,
// behind a preface of prefaceSize bytes:
//
//	 0  8  objectMagic
//	 8 32  sha256 of the model's fingerprint
//	40  4  zero
//	44  4  CRC-32C of bytes 0 to 43
//
// so that an object put under another model's name, by whatever mistake, is
// refused like one that was damaged.
const (
	objectMagic = "SLFOBJ\x00\x01"
	prefaceSize = 48
	prefaceSum  = prefaceSize - 4
	maxObject   = prefaceSize + headerSize + maxPayload
)

// objectName says where the record of a picture lies in the bucket. Two digits
// of the key make folders of a size that file systems and people can handle.
func objectName(fingerprint string, k key) string {
	return "features/1/" + objectFolder(fingerprint) + "/" + k.String()[:2] + "/" + k.String()
}

// objectFolder is the fingerprint where that makes a plain name everywhere.
func objectFolder(fingerprint string) string {
	const plain = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	if strings.Trim(fingerprint, plain) == "" && len(fingerprint) <= 128 {
		return fingerprint
	}
	sum := sha256.Sum256([]byte(fingerprint))
	return "sha256-" + hex.EncodeToString(sum[:])
}

// encodeObject returns a record as it goes into the bucket.
func encodeObject(fingerprint string, k key, r Record) ([]byte, error) {
	record, _, err := encode(k, r)
	if err != nil {
		return nil, err
	}
	model := sha256.Sum256([]byte(fingerprint))
	out := make([]byte, prefaceSize, prefaceSize+len(record))
	copy(out, objectMagic)
	copy(out[8:], model[:])
	binary.LittleEndian.PutUint32(out[prefaceSum:], crc32.Checksum(out[:prefaceSum], castagnoli()))
	return append(out, record...), nil
}

// decodeObject reads what encodeObject made for the same model and picture,
// and refuses everything else: another model's with store.ErrFingerprint. The
// record keeps data.
func decodeObject(fingerprint string, k key, data []byte) (Record, error) {
	bad := func(what string) (Record, error) {
		return Record{}, fmt.Errorf("patch states of picture %s are %w in the bucket: %s", k, errDamaged, what)
	}
	if len(data) < prefaceSize+headerSize || string(data[:len(objectMagic)]) != objectMagic ||
		binary.LittleEndian.Uint32(data[prefaceSum:]) != crc32.Checksum(data[:prefaceSum], castagnoli()) {
		return bad("not an object of patch states")
	}
	if model := sha256.Sum256([]byte(fingerprint)); string(model[:]) != string(data[8:8+len(model)]) {
		return Record{}, fmt.Errorf("patch states of picture %s in the bucket: %w than %s", k, store.ErrFingerprint, fingerprint)
	}
	h, ok := parseHeader(data[prefaceSize:])
	if !ok {
		return bad("no valid header")
	}
	if h.key != k {
		return bad("they are those of picture " + h.key.String())
	}
	if int64(len(data)) != prefaceSize+h.bytes() {
		return bad(fmt.Sprintf("%d bytes instead of %d", len(data), prefaceSize+h.bytes()))
	}
	return verify(h, data[prefaceSize+headerSize:])
}
