package access

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// Certificate is a pair of PEM files that may be replaced while a server runs,
// as tools that renew certificates do. It is safe for concurrent use.
type Certificate struct {
	certPath, keyPath string
	log               *slog.Logger

	mu      sync.Mutex
	looked  time.Time
	read    [sha256.Size]byte // of the texts that were read last
	refused error             // what these texts were refused for
	problem string            // of the last look; "" for none
	current *tls.Certificate
}

// lookEvery is how often a handshake looks whether the files have changed.
const lookEvery = time.Second

// OpenCertificate reads the files of a certificate, with those that lead to its
// authority, and of its key.
func OpenCertificate(certPath, keyPath string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certPath: certPath, keyPath: keyPath, log: log}
	if err := c.load(); err != nil {
		return nil, err
	}
	c.looked = time.Now()
	return c, nil
}

// Config is for a server's listener: TLS 1.2 and newer, HTTP/2 and 1.1. Go
// chooses the ciphers.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(), nil },
	}
}

// get returns the certificate as of the last second. Files that do not fit
// together, as in the moment between the two being replaced, leave the old one.
func (c *Certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= lookEvery {
		c.looked = time.Now()
		c.complain(c.load())
	}
	return c.current
}

// complain logs a problem when it is new, and not again each second.
func (c *Certificate) complain(err error) {
	if err == nil {
		c.problem = ""
		return
	}
	if text := err.Error(); text != c.problem {
		c.problem = text
		c.log.Error("the new certificate cannot be used: the old one stays", "error", err)
	}
}

// load does nothing while the files are as they were.
func (c *Certificate) load() error {
	cert, err := os.ReadFile(c.certPath)
	key, keyErr := os.ReadFile(c.keyPath)
	if err := cmp.Or(err, keyErr); err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	sum := sha256.Sum256(slices.Concat(cert, []byte{0}, key))
	if sum == c.read {
		return c.refused
	}
	c.read = sum
	c.refused = nil
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		c.refused = fmt.Errorf("read certificate %s with key %s: %w", c.certPath, c.keyPath, err)
		return c.refused
	}
	if c.current != nil {
		c.log.Info("a new certificate is in use", "not_after", pair.Leaf.NotAfter)
	}
	c.current = &pair
	return nil
}
