package milvus

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"sightline/store"
)

// payload is what a row keeps of an entry beside its embedding. Everything that
// a filter looks at is here too, so that the columns are never read back.
type payload struct {
	Item    store.Item `json:"i"`
	Picture string     `json:"p,omitempty"`
	Hash    string     `json:"h,omitempty"`
	Views   []string   `json:"v,omitempty"` // pictures of the views in their order
	Stamp   string     `json:"s,omitempty"` // of the views' rows
}

// lastView is the key of the item's last view, "" for none.
func (p *payload) lastView() string {
	if len(p.Views) == 0 {
		return ""
	}
	return viewKey(p.Stamp, len(p.Views))
}

// encodePayload cuts the JSON into parts that a column of Milvus takes. Valid
// entries fit: their texts have 1 MB, of which JSON makes 6 at most.
func encodePayload(e store.Entry) (p payload, parts [][]byte, err error) {
	p = payload{Item: e.Item, Picture: e.Picture, Hash: e.ContentHash}
	for _, v := range e.Views {
		p.Views = append(p.Views, v.Picture)
	}
	text, err := json.Marshal(p)
	if err == nil && len(e.Views) > 0 {
		p.Stamp = stamp(text, e.Views)
		text, err = json.Marshal(p)
	}
	if err != nil {
		return p, nil, fmt.Errorf("encode item %q: %w", e.Item.ID, err)
	}
	size := len(text)
	for len(text) > 0 {
		n := cut(text, maxVarChar)
		parts = append(parts, text[:n])
		text = text[n:]
	}
	if len(parts) > maxParts {
		return p, nil, fmt.Errorf("item %q: %w: it has %d bytes as JSON; Milvus takes %d", e.Item.ID, store.ErrInvalid, size, maxParts*(maxVarChar-utf8.UTFMax))
	}
	return p, parts, nil
}

// cut returns the most bytes up to limit that end with a whole character.
func cut(text []byte, limit int) int {
	if len(text) <= limit {
		return len(text)
	}
	for !utf8.RuneStart(text[limit]) {
		limit--
	}
	return limit
}

func decodePayload(parts [][]byte) (payload, error) {
	var text []byte
	if len(parts) == 1 {
		text = parts[0]
	} else {
		for _, part := range parts {
			text = append(text, part...)
		}
	}
	var p payload
	if err := json.Unmarshal(text, &p); err != nil {
		return payload{}, fmt.Errorf("decode item: %w", err)
	}
	return p, nil
}
