package checkpoint_test

import (
	"encoding/binary"
	"strings"
	"testing"
)

func TestSafetensorsMalformed(t *testing.T) {
	eight := make([]byte, 8)
	tensor := func(name, fields string) string { return `"` + name + `":{` + fields + `}` }
	good := tensor("a", `"dtype":"F32","shape":[2],"data_offsets":[0,8]`)
	cases := map[string]struct {
		header  string
		payload []byte
		words   []string
	}{
		"truncated":          {"{" + good + "}", eight[:7], []string{`tensor "a"`, "truncated"}},
		"out of range":       {`{` + tensor("a", `"dtype":"F32","shape":[4],"data_offsets":[0,16]`) + `}`, eight, []string{`tensor "a"`, "16"}},
		"overlap":            {`{` + good + `,` + tensor("b", `"dtype":"F32","shape":[1],"data_offsets":[4,8]`) + `}`, eight, []string{`tensor "b"`, `overlaps tensor "a"`}},
		"the same bytes":     {`{` + good + `,` + tensor("b", `"dtype":"F32","shape":[2],"data_offsets":[0,8]`) + `}`, eight, []string{"overlaps"}},
		"hole":               {`{` + tensor("a", `"dtype":"F32","shape":[1],"data_offsets":[4,8]`) + `}`, eight, []string{`tensor "a"`, "0 to 4"}},
		"bytes at the end":   {`{` + tensor("a", `"dtype":"F32","shape":[1],"data_offsets":[0,4]`) + `}`, eight, []string{"4 bytes after the last tensor"}},
		"wrong shape":        {`{` + tensor("a", `"dtype":"F32","shape":[3],"data_offsets":[0,8]`) + `}`, eight, []string{`tensor "a"`, "[3]"}},
		"backwards":          {`{` + tensor("a", `"dtype":"F32","shape":[2],"data_offsets":[8,0]`) + `}`, eight, []string{`tensor "a"`, "before they begin"}},
		"negative dimension": {`{` + tensor("a", `"dtype":"F32","shape":[-2],"data_offsets":[0,8]`) + `}`, eight, []string{`tensor "a"`, "shape"}},
		"negative offset":    {`{` + tensor("a", `"dtype":"F32","shape":[2],"data_offsets":[-8,0]`) + `}`, eight, []string{`tensor "a"`, "data_offsets"}},
		"fraction":           {`{` + tensor("a", `"dtype":"F32","shape":[2.0],"data_offsets":[0,8]`) + `}`, eight, []string{`tensor "a"`, "shape"}},
		"null dimension":     {`{` + tensor("a", `"dtype":"F32","shape":[null],"data_offsets":[0,8]`) + `}`, eight, []string{`tensor "a"`, "shape"}},
		"overflow":           {`{` + tensor("a", `"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]`) + `}`, eight, []string{`tensor "a"`, "overflows"}},
		"overflow in bits":   {`{` + tensor("a", `"dtype":"F32","shape":[2305843009213693952],"data_offsets":[0,8]`) + `}`, eight, []string{`tensor "a"`, "overflows"}},
		"offset over 2^63":   {`{` + tensor("a", `"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]`) + `}`, eight, []string{`tensor "a"`, "2^63"}},
		"many dimensions":    {`{` + tensor("a", `"dtype":"F32","shape":[1`+strings.Repeat(",1", 64)+`],"data_offsets":[0,4]`) + `}`, eight, []string{`tensor "a"`, "65 dimensions"}},
		"half a byte":        {`{` + tensor("a", `"dtype":"F4","shape":[1],"data_offsets":[0,0]`) + `}`, nil, []string{`tensor "a"`, "4 bits"}},
		"unknown type":       {`{` + tensor("a", `"dtype":"F31","shape":[2],"data_offsets":[0,8]`) + `}`, eight, []string{`tensor "a"`, "F31"}},
		"unknown field":      {`{` + tensor("a", `"dtype":"F32","shape":[2],"data_offsets":[0,8],"gap":1`) + `}`, eight, []string{`tensor "a"`, `"gap"`}},
		"three offsets":      {`{` + tensor("a", `"dtype":"F32","shape":[2],"data_offsets":[0,8,8]`) + `}`, eight, []string{`tensor "a"`, "two data_offsets"}},
		"no type":            {`{` + tensor("a", `"shape":[2],"data_offsets":[0,8]`) + `}`, eight, []string{`tensor "a"`, "dtype"}},
		"tensor is a number": {`{"a":1}`, nil, []string{`tensor "a"`, "object"}},
		"name twice":         {`{` + good + `,` + good + `}`, eight, []string{`tensor "a"`, "twice"}},
		"escaped name twice": {`{` + good + `,` + tensor(`\u0061`, `"dtype":"F32","shape":[0],"data_offsets":[8,8]`) + `}`, eight, []string{`tensor "a"`, "twice"}},
		"field twice":        {`{` + tensor("a", `"dtype":"F32","dtype":"I64","shape":[2],"data_offsets":[0,8]`) + `}`, eight, []string{`tensor "a"`, `"dtype"`, "twice"}},
		"metadata":           {`{"__metadata__":{"format":1}}`, nil, []string{"__metadata__"}},
		"not JSON":           {`{"a":}`, nil, []string{"JSON"}},
		"JSON and more":      {`{}{}`, nil, []string{"JSON"}},
		"not UTF-8":          {"{\"\xff\":1}", nil, []string{"UTF-8"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { refused(t, safetensors(c.header, c.payload), c.words...) })
	}
}

func TestSafetensorsHeaderLength(t *testing.T) {
	for claimed, word := range map[uint64]string{100_000_001: "more than 100000000", 1 << 63: "more than", 1000: "truncated"} {
		content := binary.LittleEndian.AppendUint64(nil, claimed)
		refused(t, append(content, `{"a":{}}`...), word)
	}
}

func TestSafetensorsTolerated(t *testing.T) {
	header := `{"__metadata__":{"format":"pt"},` +
		`"none":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},` +
		`"one":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   ` // the writer pads with spaces
	c := openBytes(t, safetensors(header, f32bytes(2.5)))
	if got := values(t, c, "one"); len(got) != 1 || got[0] != 2.5 {
		t.Errorf("scalar %v", got)
	}
	if got := values(t, c, "none"); len(got) != 0 {
		t.Errorf("empty %v", got)
	}
}
