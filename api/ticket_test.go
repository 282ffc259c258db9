package api

import (
	"reflect"
	"strings"
	"testing"

	"sightline/store"
	"sightline/store/change"
)

// isItemField must know what store.Item knows.
func TestItemFields(t *testing.T) {
	names := 0
	for field := range reflect.TypeFor[store.Item]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if names++; !isItemField(name) {
			t.Errorf("%s is not known", name)
		}
	}
	if isItemField("pattern") || names != 16 {
		t.Errorf("%d fields; is isItemField complete?", names)
	}
}

// The names of a request's jobs tell what each of them does, with and without a
// key, in whatever order.
func TestOperationOfJobs(t *testing.T) {
	all := []change.Op{change.Put, change.Patch, change.Delete}
	for _, o := range []order{{}, {key: "k"}} {
		for _, first := range all {
			for _, then := range all {
				tk := newTicket(o, first, []byte("digest"))
				tk.mixed = first != then
				for n, op := range []change.Op{first, then} {
					j := Job{Group: tk.group, DedupeID: tk.dedupe(n, op)}
					if got := operation(j); got != op {
						t.Errorf("%+v, job %d of %s, %s: %s", o, n, first, then, got)
					}
				}
			}
		}
	}
	for _, j := range []Job{{}, {Group: "p-short"}, {Group: "x-aaaaaaaaaaaaaaaaaaaaaaaaaa"}, {Group: "shopify", DedupeID: "shopify/put"}, {DedupeID: "idempotency-key/x"}} {
		if got := operation(j); got != "" && j.Group != "shopify" {
			t.Errorf("%+v: %s", j, got)
		}
	}
	a, b := newTicket(order{key: "k"}, change.Put, []byte("1")), newTicket(order{key: "k"}, change.Put, []byte("2"))
	if a.group == b.group || a.dedupe(0, change.Put) != b.dedupe(0, change.Put) || a.dedupe(1, change.Put) == b.dedupe(1, change.Put) {
		t.Errorf("tickets %+v and %+v", a, b)
	}
	if c := newTicket(order{}, change.Put, []byte("1")); c.group == newTicket(order{}, change.Put, []byte("1")).group || len(c.group) > 128 {
		t.Errorf("group %s", c.group)
	}
}
