package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
)

// call makes one request; headers come as pairs.
func (s *server) call(t *testing.T, method, path string, headers ...string) *http.Response {
	t.Helper()
	req := s.request(t, method, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res
}

func (s *server) status(t *testing.T, method, path string, headers ...string) int {
	t.Helper()
	return s.call(t, method, path, headers...).StatusCode
}

// ownData is a copy of the samples' data folder that a test may change.
func ownData(t *testing.T, environ []string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(data(t, environ, "auto"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

const hit1 = "/v1/search?q=mug&limit=1&deadline_ms=30000"

// TestKeysInUse: a real searchd on all addresses, and the commands beside it.
func TestKeysInUse(t *testing.T) {
	const day = "2006-01-02"
	began := time.Now().UTC().Format(day)
	environ := clitest.Environ(t)
	dir, audit := ownData(t, environ), filepath.Join(t.TempDir(), "audit.jsonl")
	p := startProcess(t, environ, "--listen", "0.0.0.0:0", "--data", dir, "--model", model(t), "--log-level", "debug",
		"--audit", audit, "--cors-origins", "https://shop.example", "--trusted-proxies", "127.0.0.0/8,::1")
	_, port, err := net.SplitHostPort(strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	p.url = "http://127.0.0.1:" + port
	if log := p.log.String(); !strings.Contains(log, "there are no keys yet") || !strings.Contains(log, "searchd key create") {
		t.Errorf("the log does not say that there are no keys:\n%s", log)
	}
	if res := p.call(t, "GET", hit1); res.StatusCode != 401 || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("without a key: %d", res.StatusCode)
	}
	var k twoKeys
	k.looks, k.looksID = newKey(t, "--name", "page", "--data", dir)
	k.writes, k.writesID = newKey(t, "--name", "feed", "--scopes", "write", "--data", dir)
	short, _ := newKey(t, "--name", "guest", "--expires", "1s", "--data", dir)
	clitest.Eventually(t, "the new keys", func() bool { return p.from(t, hit1, k.looks) == 200 })
	clitest.Eventually(t, "a key to expire", func() bool { return p.from(t, hit1, short) == 401 })
	p.routes(t, k)
	p.cookies(t, k.looks)
	p.revoked(t, dir, k.looks, k.looksID)
	p.signal(t, os.Interrupt)
	p.client.CloseIdleConnections()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("searchd: %v\n%s", err, p.log)
	}
	p.wrote(t, audit, k, short)
	list, _, _ := searchd(t, nil, "key", "list", "--data", dir)
	if now := time.Now().UTC().Format(day); now != began { // midnight has passed
		list = strings.ReplaceAll(list, began, now)
		began = now
	}
	if strings.Count(list, began) < 4 {
		t.Errorf("the list does not say when keys were used:\n%s", list)
	}
}

// twoKeys are a reader's and a writer's.
type twoKeys struct{ looks, looksID, writes, writesID string }

// routes: who gets in where.
func (p *process) routes(t *testing.T, k twoKeys) {
	t.Helper()
	for what, c := range map[string]struct {
		status  int
		method  string
		path    string
		headers []string
	}{
		"probe":              {200, "GET", "/healthz", nil},
		"page":               {200, "GET", "/", nil},
		"picture":            {200, "GET", "/v1/items/p0074/image", []string{"X-API-Key", k.looks}},
		"picture, no key":    {401, "GET", "/v1/items/p0074/image", nil},
		"write of a reader":  {403, "DELETE", "/v1/items/p0074", []string{"X-API-Key", k.looks}},
		"search of a writer": {403, "GET", hit1, []string{"X-API-Key", k.writes}},
		"numbers":            {403, "GET", "/metrics", []string{"X-API-Key", k.looks}},
		"mistyped":           {401, "GET", hit1, []string{"X-API-Key", k.looks[:38] + "?", "X-Forwarded-For", "203.0.113.77"}},
		"preflight":          {204, "OPTIONS", "/v1/search", []string{"Origin", "https://shop.example", "Access-Control-Request-Method", "POST"}},
		"other's preflight":  {405, "OPTIONS", "/v1/search", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}},
		"made-up address":    {200, "GET", hit1, []string{"X-API-Key", k.looks, "X-Forwarded-For", "198.51.100.66, 203.0.113.9"}},
		"write":              {200, "DELETE", "/v1/items/p0001", []string{"X-API-Key", k.writes, "Prefer", "wait=30", "X-Forwarded-For", "203.0.113.10"}},
	} {
		if got := p.status(t, c.method, c.path, c.headers...); got != c.status {
			t.Errorf("%s: %d, want %d", what, got, c.status)
		}
	}
}

// wrote: what the record of writes and the log hold, and what not.
func (p *process) wrote(t *testing.T, audit string, k twoKeys, short string) {
	t.Helper()
	recorded, err := os.ReadFile(audit)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"client":"203.0.113.10","key":"` + k.writesID + `","by":"feed","method":"DELETE","path":"/v1/items/p0001","status":200`,
		`"key":"` + k.looksID + `","by":"page","method":"DELETE","path":"/v1/items/p0074","status":403`,
	} {
		if !strings.Contains(string(recorded), want) {
			t.Errorf("the record lacks %s:\n%s", want, recorded)
		}
	}
	log := p.log.String()
	if !strings.Contains(log, "client=203.0.113.9") || strings.Contains(log, "client=198.51.100.66") {
		t.Errorf("the log has the wrong address:\n%s", log)
	}
	for _, secret := range []string{k.looks, k.writes, short, k.looks[:38], "sls_"} {
		if strings.Contains(log, secret) || strings.Contains(string(recorded), secret) {
			t.Error("a key is in the log or in the record of writes")
		}
	}
}

// from is a search by a caller of an address that did not call before: many
// invalid keys from one are answered with 429.
func (p *process) from(t *testing.T, path, key string) int {
	t.Helper()
	p.callers++
	return p.status(t, "GET", path, "Authorization", "Bearer "+key, "X-Forwarded-For", fmt.Sprintf("203.0.%d.%d", 114+p.callers/250, p.callers%250))
}

// cookies: what the page does.
func (p *process) cookies(t *testing.T, key string) {
	t.Helper()
	req := p.request(t, "POST", "/v1/session", strings.NewReader(fmt.Sprintf(`{"key":%q}`, key)))
	req.Header.Set("Content-Type", "application/json")
	res, err := p.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	cookies := res.Cookies()
	if res.StatusCode != 200 || len(cookies) != 1 || !cookies[0].HttpOnly {
		t.Fatalf("%d, %v", res.StatusCode, cookies)
	}
	cookie := cookies[0].Name + "=" + cookies[0].Value
	if got := p.status(t, "GET", "/v1/items/p0074/image", "Cookie", cookie); got != 200 {
		t.Errorf("picture with the cookie: %d", got)
	}
	if got := p.status(t, "GET", "/v1/items/p0074/image", "Cookie", cookie, "Sec-Fetch-Site", "cross-site"); got != 403 {
		t.Errorf("picture in another site's page: %d", got)
	}
}

func (p *process) revoked(t *testing.T, dir, key, id string) {
	t.Helper()
	if _, errs, code := searchd(t, nil, "key", "revoke", id, "--data", dir); code != cli.ExitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	start := time.Now()
	clitest.Eventually(t, "the revocation", func() bool { return p.from(t, hit1, key) == 401 })
	t.Logf("revoked after %s", time.Since(start).Round(time.Millisecond))
}

// TestKeysFromAFile: as a Secret of Kubernetes is mounted, on loopback.
func TestKeysFromAFile(t *testing.T) {
	environ := clitest.Environ(t)
	file := filepath.Join(t.TempDir(), "keys.jsonl")
	key, id := newKey(t, "--name", "pod", "--scopes", "search,admin", "--keys", file)
	dir := data(t, environ, "auto")
	s := serve(t, environ, "--keys", file, "--data", dir, "--model", model(t), "--rate-limit", "0.001")
	if got := s.status(t, "GET", "/v1/items/p0074"); got != 401 {
		t.Errorf("without a key: %d", got)
	}
	res := s.call(t, "GET", "/metrics", "Authorization", "Bearer "+key)
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("RateLimit"), `"calls";r=0;`) {
		t.Errorf("%d, %v", res.StatusCode, res.Header)
	}
	if res = s.call(t, "GET", "/v1/items/p0074", "Authorization", "Bearer "+key); res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
		t.Errorf("beyond the limit: %d, %v", res.StatusCode, res.Header)
	}
	if _, errs, code := searchd(t, nil, "key", "revoke", id, "--keys", file); code != cli.ExitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	clitest.Eventually(t, "the revocation", func() bool { return s.status(t, "GET", "/v1/items/p0074", "X-API-Key", key) == 401 })
	if _, err := os.Stat(filepath.Join(dir, "keys.db")); err == nil {
		t.Error("the data folder was given keys")
	}
}

// TestImportWithAKey: 'indexd import --server' into a server that asks for keys.
func TestImportWithAKey(t *testing.T) {
	environ := clitest.Environ(t)
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "keys.jsonl")
	key, _ := newKey(t, "--name", "feed", "--scopes", "write", "--keys", keyFile)
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, environ, "--keys", keyFile, "--data", ownData(t, environ), "--model", model(t))
	for _, c := range []struct {
		environ []string
		ok      bool
		want    string
	}{
		{nil, false, "asks for a key"},
		{[]string{"SIGHTLINE_API_KEY=" + key[:38] + "?"}, false, "no key"},
		{[]string{"SIGHTLINE_API_KEY_FILE=" + secret}, true, "0 failed"},
	} {
		cmd := exec.CommandContext(t.Context(), indexd(t), "import", "--server", s.url, filepath.Join(samples, "feed.jsonl"))
		cmd.Env = c.environ
		out, err := cmd.CombinedOutput()
		if (err == nil) != c.ok || !strings.Contains(string(out), c.want) || strings.Contains(string(out), key[:38]) {
			t.Errorf("%v:\n%s", err, out)
		}
	}
}

// certificate writes a pair of PEM files with a serial number.
func certificate(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestTLS(t *testing.T) {
	environ := clitest.Environ(t)
	dir := t.TempDir()
	cert, key := certificate(t, dir, 1)
	s := start(t, environ, "--data", data(t, environ, "auto"), "--model", model(t), "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(s.url, "https://127.0.0.1:") {
		t.Fatalf("address %s", s.url)
	}
	s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	s.waitReady(t)
	serial := func() (int64, int) {
		s.client.CloseIdleConnections()
		res := s.call(t, "GET", "/healthz")
		return res.TLS.PeerCertificates[0].SerialNumber.Int64(), res.ProtoMajor
	}
	if n, proto := serial(); n != 1 || proto != 2 {
		t.Errorf("serial %d, HTTP/%d", n, proto)
	}
	certificate(t, dir, 2)
	clitest.Eventually(t, "the new certificate", func() bool { n, _ := serial(); return n == 2 })
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}
	if c, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), old); err == nil {
		c.Close()
		t.Error("TLS 1.1 was taken")
	}
	s.end(t, cli.ExitOK)
}

func TestCheckConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sightline.yaml")
	text := "thread: 2\nbatch: many\nlisten: everywhere\nlog-level: loud\ncache: redis\ncache-mb: -1\ntls-cert: " + filepath.Join(dir, "absent.pem") + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"SIGHTLINE_WORKERS=1000", "SIGHTLINE_REDIS_PASSWORD_FILE=" + filepath.Join(dir, "secret")}
	out, errs, code := searchd(t, environ, "--check-config", "--settings", file, "--data", filepath.Join(dir, "data"), "--model", filepath.Join(dir, "model"),
		"--keys", filepath.Join(dir, "keys"), "--insecure-listen", "--trusted-proxies", "proxy", "--cors-origins", "x", "--rules", filepath.Join(dir, "rules"))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != cli.ExitUsage || !strings.Contains(errs, fmt.Sprintf("%d problems", len(lines))) {
		t.Errorf("exit code %d: %s", code, errs)
	}
	for _, want := range []string{
		`"thread"`, "'batch'", `"everywhere"`, `"loud"`, "--cache-mb -1", "belong together", "--workers 1000", "SIGHTLINE_REDIS_PASSWORD_FILE",
		"--model", "--keys", "--insecure-listen", "--trusted-proxies", "--cors-origins", "--rules",
	} {
		if n := len(slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.Contains(l, want) })); n == 0 {
			t.Errorf("nothing about %s in\n%s", want, out)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("the check left %v", left)
	}
	out, errs, code = searchd(t, nil, "serve", "--check-config", "--model", model(t), "--listen", "0.0.0.0:8080")
	if code != cli.ExitOK || !strings.Contains(out, "in order") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}
