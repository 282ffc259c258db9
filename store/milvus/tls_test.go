package milvus

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestTLS speaks to Milvus Lite, which has no TLS, through a proxy that has.
func TestTLS(t *testing.T) {
	l := shared.Server(t)
	certified := httptest.NewTLSServer(nil) // for its certificate only
	defer certified.Close()
	address := startProxy(t, l.Address(), certified.TLS.Certificates)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw})
	if err := os.WriteFile(authority, block, 0o600); err != nil {
		t.Fatal(err)
	}
	c := openCatalogue(t, l, func(o *Options) { o.Address, o.CAFile, o.Token = address, authority, "user:password" })
	mustUpsert(t, openIndex(t, c, "m", 2), plain("a", 1, 1, 0))
	_, err := Open(t.Context(), Options{Address: "https://" + address, ConnectTimeout: 3 * time.Second})
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "do not agree on TLS") { // an unknown authority
		t.Errorf("got %v", err)
	}
}

func startProxy(t *testing.T, backend string, certificates []tls.Certificate) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certificates, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			front, err := listener.Accept()
			if err != nil {
				return // closed
			}
			running.Go(func() { pipe(front, backend) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

func pipe(front net.Conn, backend string) {
	defer front.Close()
	back, err := net.Dial("tcp", backend)
	if err != nil {
		return
	}
	defer back.Close()
	var forth sync.WaitGroup
	forth.Go(func() {
		_, _ = io.Copy(back, front) // ends with the connection
		back.Close()
	})
	_, _ = io.Copy(front, back)
	front.Close()
	forth.Wait()
}
