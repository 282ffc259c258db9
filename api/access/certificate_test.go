package access_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sightline/api/access"
)

// pair writes a certificate of its own authority with a serial number.
func pair(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	put(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	return cert, key
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// buffer is read while others write to it.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// serving is the serial number of the certificate that a handshake meets.
func serving(t *testing.T, c *tls.Config) int64 {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan error, 1)
	go func() { defer server.Close(); done <- tls.Server(server, c).HandshakeContext(t.Context()) }()
	conn := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	serial := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	client.Close()
	<-done
	return serial
}

func TestCertificate(t *testing.T) {
	dir, logs := t.TempDir(), &buffer{}
	certPath, keyPath := pair(t, dir, 1)
	c, err := access.OpenCertificate(certPath, keyPath, slog.New(slog.NewTextHandler(logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	config := c.Config()
	if got := serving(t, config); got != 1 || config.MinVersion != tls.VersionTLS12 {
		t.Errorf("serial %d, TLS from %x", got, config.MinVersion)
	}
	pair(t, dir, 2)
	wait(t, func() bool { return serving(t, config) == 2 })
	put(t, keyPath, []byte("half a k"))
	wait(t, func() bool { serving(t, config); return strings.Contains(logs.String(), "the old one stays") })
	if got := serving(t, config); got != 2 {
		t.Errorf("with a broken key: serial %d", got)
	}
	pair(t, dir, 3)
	wait(t, func() bool { return serving(t, config) == 3 })
	if strings.Contains(logs.String(), "half a k") || strings.Contains(logs.String(), "PRIVATE") {
		t.Errorf("the log tells of the key: %s", logs)
	}
	if n := strings.Count(logs.String(), "the old one stays"); n < 1 || n > 2 { // 2: seen with the certificate replaced and the key not yet
		t.Errorf("complained %d times", n)
	}
}

func wait(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited a minute")
		}
	}
}

func TestNoCertificate(t *testing.T) {
	dir := t.TempDir()
	certPath, keyPath := pair(t, dir, 1)
	for name, paths := range map[string][2]string{
		"no file":         {filepath.Join(dir, "absent"), keyPath},
		"not a key":       {certPath, certPath},
		"not certificate": {keyPath, keyPath},
	} {
		if _, err := access.OpenCertificate(paths[0], paths[1], slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
