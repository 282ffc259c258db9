package pictures_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"sightline/store"
	"sightline/store/pictures"
)

func TestStale(t *testing.T) {
	s, err := pictures.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, text := range []string{"used", "unused", "also unused"} {
		key, err := s.Put(t.Context(), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	named := func(key string) bool { return key == keys[0] }
	if got, err := s.Stale(t.Context(), time.Now().Add(-time.Hour), named); err != nil || len(got.Keys) != 0 {
		t.Errorf("young ones: %+v, %v", got, err)
	}
	got, err := s.Stale(t.Context(), time.Now().Add(time.Hour), named)
	want := slices.Sorted(slices.Values(keys[1:]))
	if err != nil || !slices.Equal(slices.Sorted(slices.Values(got.Keys)), want) || got.Bytes != int64(len("unused"+"also unused")) {
		t.Errorf("%+v, %v; want %v", got, err, want)
	}
	if err := s.Delete(t.Context(), append(got.Keys, got.Keys...)...); err != nil {
		t.Error(err)
	}
	if !s.Has(keys[0]) || s.Has(keys[1]) || s.Has(keys[2]) {
		t.Error("the wrong pictures were deleted")
	}
	if err := s.Delete(t.Context(), "../../x"); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a path as a key: %v", err)
	}
	_ = s.Close()
	if _, err := s.Stale(t.Context(), time.Now(), named); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
}
