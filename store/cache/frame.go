package cache

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A value lies in Redis as a frame: one byte of version, four of CRC-32C over
// version, key and value, then the value. Whatever else lies under a key, be it
// another program's, another version's, cut short or moved from another key,
// does not pass for a value (but for one in four billion). Against someone who
// means harm there is no protection in this: who can write to the Redis can
// answer searches.
const (
	frameVersion = 1
	frameHeader  = 5
)

var errFrame = errors.New("the value in Redis is not one of ours")

func appendFrame(b []byte, key string, value []byte) []byte {
	b = append(b, frameVersion)
	b = binary.BigEndian.AppendUint32(b, frameSum(key, value))
	return append(b, value...)
}

// decodeFrame returns the value, which shares memory with frame.
func decodeFrame(key string, frame []byte) ([]byte, error) {
	if len(frame) < frameHeader || frame[0] != frameVersion {
		return nil, errFrame
	}
	value := frame[frameHeader:]
	if binary.BigEndian.Uint32(frame[1:]) != frameSum(key, value) {
		return nil, errFrame
	}
	return value, nil
}

func frameSum(key string, value []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // made once by the library
	sum := crc32.Update(0, table, []byte{frameVersion})
	sum = crc32.Update(sum, table, []byte(key))
	return crc32.Update(sum, table, value)
}
