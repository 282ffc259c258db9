package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	_ "gocloud.dev/blob/memblob"

	"sightline/store/bucket"
	"sightline/store/bucket/buckettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustOpen(t *testing.T, address string) *bucket.Bucket {
	t.Helper()
	b, err := bucket.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestMemory(t *testing.T) { suite(t, mustOpen(t, "mem://")) }

func TestFolder(t *testing.T) {
	folder(t, func(dir string) string { return dir })
	folder(t, func(dir string) string { return "file://" + dir })
}

func folder(t *testing.T, address func(string) string) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	suite(t, mustOpen(t, address(dir)))
	left, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "kept" {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestS3(t *testing.T) {
	server, address := buckettest.S3(t)
	t.Cleanup(server.CloseClientConnections)
	suite(t, mustOpen(t, address))
	t.Run("prefix", func(t *testing.T) {
		part := mustOpen(t, address+"&prefix=part/")
		if err := part.Write(t.Context(), "x", []byte("1")); err != nil {
			t.Fatal(err)
		}
		if got, err := mustOpen(t, address).Read(t.Context(), "part/x", 10); err != nil || string(got) != "1" {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("no such bucket", func(t *testing.T) {
		other := mustOpen(t, strings.Replace(address, "pictures", "elsewhere", 1))
		if err := other.Write(t.Context(), "x", []byte("1")); err == nil {
			t.Error("writing into a bucket that is not there succeeded")
		}
	})
	t.Run("server down", func(t *testing.T) {
		b := mustOpen(t, address)
		server.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := b.Read(ctx, "x", 10)
		if err == nil || errors.Is(err, fs.ErrNotExist) || time.Since(start) > 2*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func suite(t *testing.T, b *bucket.Bucket) {
	ctx := t.Context()
	large := bytes.Repeat([]byte("0123456789"), 70_000)
	for name, data := range map[string][]byte{"a/kept": large, "a/empty": {}, "b c/ü+%2F": []byte("odd name")} {
		if _, err := b.Read(ctx, name, 1<<20); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s before it was written: %v", name, err)
		}
		for _, content := range [][]byte{[]byte("old"), data} {
			if err := b.Write(ctx, name, content); err != nil {
				t.Fatal(err)
			}
			if got, err := b.Read(ctx, name, int64(len(content))); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
		if ok, err := b.Exists(ctx, name); !ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	if _, err := b.Read(ctx, "a/kept", int64(len(large)-1)); !errors.Is(err, bucket.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	for _, name := range []string{"a/empty", "a/empty", "b c/ü+%2F"} {
		if err := b.Delete(ctx, name); err != nil {
			t.Errorf("delete %s: %v", name, err)
		}
		if ok, err := b.Exists(ctx, name); ok || err != nil {
			t.Errorf("%s after it was deleted: %v, %v", name, ok, err)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := b.Write(cancelled, "late", large); err == nil {
		t.Error("a cancelled write succeeded")
	}
	if ok, err := b.Exists(ctx, "late"); ok || err != nil {
		t.Errorf("a cancelled write left something: %v, %v", ok, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for address, want := range map[string]string{
		"ftp://x": "-tags gcs", "s3://id:secret@bucket": "from the environment", "s3://%zz": "has the form", "gs://x?nonsense=1": "gs",
		"s3://x?nonsense=1": "open bucket s3://x", "file://host/x": "open bucket", "/dev/null/x": "open bucket",
	} {
		b, err := bucket.Open(t.Context(), address)
		if err == nil {
			t.Errorf("%s was accepted", address)
			_ = b.Close()
		} else if strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", address, err, want)
		}
	}
}
