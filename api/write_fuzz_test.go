package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"sightline/store"
	"sightline/store/change"
)

// checkDraft holds for every decoder of writes and every input: what comes out
// without a problem can be queued and is a valid item, and what does not is the
// sender's fault and says so briefly.
func checkDraft(t *testing.T, d draft, wrong *Invalid, err error) {
	t.Helper()
	if err != nil || len(wrong.Fields) > 0 {
		if err == nil {
			err = wrong
		}
		checkRefusal(t, err)
		return
	}
	for i := range d.images {
		if d.images[i].data != nil {
			d.images[i].key = strings.Repeat("a", 64)
		}
	}
	d.change.Images = d.list()
	payload, err := d.change.Encode()
	if err != nil || len(payload) > MaxPayload {
		t.Fatalf("%d bytes, %v", len(payload), err)
	}
	again, err := change.Decode(payload)
	if err != nil {
		t.Fatal(err)
	}
	switch d.change.Op {
	case change.Put:
		if err := again.Item.Validate(); err != nil || len(d.images) == 0 || d.images[0].field != "image" {
			t.Fatalf("item %+v with %d pictures: %v", again.Item, len(d.images), err)
		}
	case change.Patch:
		checkPatch(t, again.Patch)
	}
}

// checkPatch: only fields of an item are left, so laying it over an item gives one.
func checkPatch(t *testing.T, patch []byte) {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(patch, &fields); err != nil {
		t.Fatal(err)
	}
	for name := range fields {
		if name == "id" || !isItemField(name) {
			t.Fatalf("field %q in patch %s", name, patch)
		}
	}
	if err := json.Unmarshal(patch, new(store.Item)); err != nil {
		t.Fatalf("patch %s: %v", patch, err)
	}
}

func checkRefusal(t *testing.T, err error) {
	t.Helper()
	k, detail, fields := explain(err)
	if k.status() >= 500 || detail == "" {
		t.Fatalf("%s %q for a bad request: %v", k, detail, err)
	}
	if body, err := encodeJSON(fields); err != nil || len(body) > 1<<19 {
		t.Fatalf("problems of %d bytes, error %v", len(body), err)
	}
}

func FuzzItem(f *testing.F) {
	for _, seed := range []string{
		`{"id":"a","title":"x","image":"https://a.example/b.jpg","images":["data:,x"],"pattern":"striped","price":1.5}`,
		`{"image":"data:image/png;base64,iVBORw0KGgo=","attributes":{"a":["b"],"a":1},"x.y":{}}`, `{"image":null,"images":"https://a.example/b.jpg"}`,
		`{"price":"1","title":2,"attributes":[],"updated_at":"soon","image":"a.jpg"}`, `{"a":1,"attributes":{"a":2}}`, `[]`, ``, `{"id":"b"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, id := range []string{"a", ""} {
			var put, patch Invalid
			d, err := decodePut(body, id, files{}, &put)
			checkDraft(t, d, &put, err)
			d, err = decodePatch(body, id, files{main: []byte("x")}, &patch)
			checkDraft(t, d, &patch, err)
			patch = Invalid{}
			d, err = decodePatch(body, id, files{}, &patch)
			checkDraft(t, d, &patch, err)
		}
	})
}

func FuzzBatch(f *testing.F) {
	for _, seed := range []string{
		`{"items":[{"id":"a","image":"https://a.example/b.jpg"}],"patches":[{"id":"b","price":1}],"deletes":["c"]}`,
		`{"items":null,"patches":[1,[],"x",{}],"deletes":[null,7,"a","a"]}`, `{"items":{},"item":[]}`, `{"deletes":["\ud800"]}`, `{"ids":["a"]}`,
		`{"filter":{"brand":"a"},"expect":3}`, `{"filter":"brand = \"a\"","confirm":true}`, `{"filter":null,"ids":[]}`, `[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var wrong, wrongDeletion Invalid
		rep := &report{}
		drafts, err := decodeBatch(body, &wrong, rep)
		if err != nil || len(wrong.Fields) > 0 {
			checkDraft(t, draft{}, &wrong, err)
		} else {
			for _, d := range drafts {
				checkDraft(t, d, &Invalid{}, nil)
			}
			if len(drafts)+rep.count == 0 {
				t.Fatal("a batch of nothing")
			}
		}
		if rep.count > 0 {
			checkRefusal(t, rep.err())
		}
		del, err := decodeDeletion(body, &wrongDeletion)
		if err == nil && len(wrongDeletion.Fields) == 0 && (len(del.drafts) == 0) == (del.filter == nil) {
			t.Fatalf("deletion %+v", del)
		}
		if err != nil || len(wrongDeletion.Fields) > 0 {
			checkDraft(t, draft{}, &wrongDeletion, err)
		}
	})
}

// FuzzLines compares with cutting at line ends.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\r\n\n\nc"))
	f.Add([]byte("\n"))
	f.Add([]byte(strings.Repeat("x", 100) + "\n" + strings.Repeat("y", 17)))
	f.Fuzz(func(t *testing.T, body []byte) {
		in := bufio.NewReaderSize(bytes.NewReader(body), 16)
		var got [][]byte
		for {
			line, err := nextLine(in)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, line)
		}
		if !bytes.Equal(bytes.Join(got, nil), body) {
			t.Fatalf("lines %q of %q", got, body)
		}
		for i, line := range got {
			if n := bytes.IndexByte(line, '\n'); n >= 0 && n != len(line)-1 || n < 0 && i != len(got)-1 {
				t.Fatalf("line %q", line)
			}
		}
	})
}

func FuzzWriteForm(f *testing.F) {
	for _, seed := range []string{
		"--xx\r\nContent-Disposition: form-data; name=\"item\"\r\n\r\n{\"title\":\"a\"}\r\n--xx\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\nbytes\r\n--xx--\r\n",
		"--xx\r\nContent-Disposition: form-data; name=\"patch\"\r\n\r\n{\"price\":1}\r\n--xx--", "--xx--\r\n", "--xx\r\n", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range []change.Op{change.Put, change.Patch} {
			var wrong Invalid
			d, err := decodeWriteForm(newForm(bytes.NewReader(body), "xx"), target{op, "a"}, &wrong)
			checkDraft(t, d, &wrong, err)
			if err == nil && !bytes.Contains(body, []byte("--xx--")) {
				t.Fatal("took a form without an end")
			}
		}
	})
}

func FuzzWriteHeaders(f *testing.F) {
	f.Add("wait=5", `"abc"`, "key")
	f.Add(`wait="3"; x=y, respond-async`, `W/"a"`, "a b")
	f.Add("wait=-1,wait=99999999999999999999", `"a","b"`, "\x7f")
	f.Fuzz(func(t *testing.T, prefer, match, key string) {
		r := &http.Request{Header: http.Header{"Prefer": {prefer}, "If-Match": {match}, "Idempotency-Key": {key}}}
		var wrong Invalid
		o, err := readOrder(r, change.Put, true, &wrong)
		if err != nil {
			t.Fatal(err)
		}
		if len(wrong.Fields) > 0 {
			checkRefusal(t, &wrong)
			return
		}
		if o.key == "" || len(o.key) > maxKey || o.wait != nil && (*o.wait < 0 || *o.wait > maxWait) {
			t.Fatalf("order %+v", o)
		}
		if o.ifMatch != "" && o.ifMatch != "*" && (o.ifMatch[0] != '"' || strings.Count(o.ifMatch, `"`) != 2) {
			t.Fatalf("tag %q", o.ifMatch)
		}
	})
}
