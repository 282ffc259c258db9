// Package buckettest starts an S3 server for tests.
package buckettest

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// S3 serves the S3 protocol from memory on a loopback port until the test
// ends, sets credentials in the environment, and returns the server and the
// address of an empty bucket for bucket.Open.
func S3(t *testing.T) (server *httptest.Server, address string) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("pictures"); err != nil {
		t.Fatal(err)
	}
	server = httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	return server, "s3://pictures?region=us-east-1&use_path_style=true&endpoint=" + url.QueryEscape(server.URL)
}
