package cache_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sightline/store"
	"sightline/store/cache"
	"sightline/store/cache/redistest"
)

func TestRedisRefusesOptions(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, notPEM, "not PEM")
	for _, o := range []cache.RedisOptions{
		{},
		{URL: "localhost:6379"},
		{URL: "http://localhost"},
		{URL: "redis://"},
		{URL: "redis:///0"},
		{URL: "redis://host/x"},
		{URL: "redis://host/-1"},
		{URL: "redis://host/0?dial_timeout=1h"},
		{URL: "redis://host#0"},
		{URL: "redis://host:port"},
		{URL: "redis://h st"},
		{URL: "unix:///run/redis.sock"},
		{URL: "redis://host", TTL: -1},
		{URL: "redis://host", MaxEntry: -1},
		{URL: "redis://host", Queue: -1},
		{URL: "redis://host", Timeout: -1},
		{URL: "redis://host", CAFile: notPEM},
		{URL: "rediss://host", CAFile: notPEM},
		{URL: "rediss://host", CAFile: notPEM + ".none"},
	} {
		if r, err := cache.NewRedis(t.Context(), o); err == nil {
			r.Close()
			t.Errorf("%+v is accepted", o)
		}
	}
	for _, url := range []string{"redis://host", "redis://host:1234/15", "rediss://user@host:1", "redis://[::1]:6379/", "redis://127.0.0.1"} {
		newRedis(t, cache.RedisOptions{URL: url})
	}
}

// A password in an address is refused, and appears in no error, wherever it was
// put.
func TestRedisAddressWithPassword(t *testing.T) {
	for _, url := range []string{
		"redis://:hunter2@host:6379/0", "redis://user:hunter2@host", "redis://host:hunter2", "redis://host/hunter2",
		"redis://:hunter2%zz@host", "redis://user:hunter2 @host", "redis://host?password=hunter2", "hunter2",
	} {
		r, err := cache.NewRedis(t.Context(), cache.RedisOptions{URL: url})
		if err == nil {
			r.Close()
			t.Errorf("%s is accepted", url)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the password: %v", url, err)
		}
	}
	_, err := cache.NewRedis(t.Context(), cache.RedisOptions{URL: "redis://user:hunter2@host"})
	if err == nil || !strings.Contains(err.Error(), cache.PasswordVariable+"_FILE") {
		t.Errorf("the error does not say where the password belongs: %v", err)
	}
}

func TestSecretIsNotShown(t *testing.T) {
	o := cache.RedisOptions{URL: "redis://host", Password: "hunter2"}
	var shown strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%t"} {
		fmt.Fprintf(&shown, verb+verb+verb+"\n", o.Password, o, &o)
	}
	fmt.Fprintln(&shown, o.Password, o)
	for _, h := range []slog.Handler{slog.NewTextHandler(&shown, nil), slog.NewJSONHandler(&shown, nil)} {
		slog.New(h).Info("starting", "password", o.Password, slog.Group("redis", "password", o.Password))
	}
	data, err := json.Marshal(map[string]any{"a": o.Password, "b": struct{ P store.Secret }{o.Password}})
	if err != nil {
		t.Fatal(err)
	}
	shown.Write(data)
	for _, form := range []string{"hunter2", "68756e74657232", "68756E74657232"} {
		if strings.Contains(shown.String(), form) {
			t.Errorf("the password is shown:\n%s", shown.String())
		}
	}
	if !strings.Contains(shown.String(), "(secret)") || fmt.Sprint(store.Secret("")) != "" {
		t.Error("it cannot be seen whether there is a password")
	}
}

func TestRedisPasswordSources(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "unix"), "hunter2\n")
	writeFile(t, filepath.Join(dir, "windows"), "hunter2\r\n")
	writeFile(t, filepath.Join(dir, "spaces"), " hunter2 \n\n")
	writeFile(t, filepath.Join(dir, "empty"), "\n")
	for _, c := range []struct {
		variable, file, want string
		fails                bool
	}{
		{},
		{variable: "hunter2", want: "hunter2"},
		{file: "unix", want: "hunter2"},
		{file: "windows", want: "hunter2"},
		{file: "spaces", want: " hunter2 \n"},
		{file: "empty", fails: true},
		{file: "none", fails: true},
		{variable: "a", file: "unix", fails: true},
	} {
		password, err := cache.RedisPassword(func(name string) string {
			switch {
			case name == cache.PasswordVariable:
				return c.variable
			case name == cache.PasswordVariable+"_FILE" && c.file != "":
				return filepath.Join(dir, c.file)
			}
			return ""
		})
		if string(password) != c.want || (err != nil) != c.fails || (err != nil && strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("variable %q, file %q: got %q, %v", c.variable, c.file, string(password), err)
		}
	}
}

// TLS is used, and the server's certificate is checked.
func TestRedisTLS(t *testing.T) {
	certificate, key := selfSigned(t)
	s := redistest.Start(t, "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no")
	put(t, newRedis(t, cache.RedisOptions{URL: s.URL(), CAFile: certificate, Timeout: patient}), "key", "value")
	for name, o := range map[string]cache.RedisOptions{
		"an unknown authority": {URL: s.URL(), Timeout: patient},
		"no TLS":               {URL: "redis://" + s.Address(), Timeout: patient},
	} {
		r := newRedis(t, o)
		wantMiss(t, r, "key")
		if r.Stats().Errors != 1 {
			t.Errorf("%s: counted %+v, want an error", name, r.Stats())
		}
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// selfSigned writes a certificate for 127.0.0.1 and its key.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	writeFile(t, certificate, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})))
	return certificate, key
}
