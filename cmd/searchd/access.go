package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sightline/api"
	"sightline/api/access"
	"sightline/cmd/internal/cli"
	"sightline/store/keys"
)

func accessFlags(fs *pflag.FlagSet) {
	keyFlags(fs)
	fs.Bool("insecure-listen", false, "ask for no keys beyond loopback: anybody who reaches the address can search and write")
	fs.Float64("rate-limit", 50, "requests a second of one key, or with --insecure-listen of one address; twice as many at once (0: no bound)")
	fs.String("cors-origins", "", "origins whose web pages may call, separated by commas: https://shop.example; * for all, with keys")
	fs.String("trusted-proxies", "", "addresses and blocks of the proxies whose word on callers' addresses counts: 10.0.0.0/8")
	fs.String("proxy-header", access.XForwardedFor, "header in which these proxies say it: x-forwarded-for, or forwarded (RFC 7239); the other one is never read")
	fs.String("audit", "", "where writes are recorded: a file, log or none (default log where keys are asked for, else none)")
	fs.String("tls-cert", "", "PEM file of the certificate and those that lead to its authority, to serve HTTPS; read anew when it changes")
	fs.String("tls-key", "", "PEM file of its key")
	fs.Bool("metrics-open", false, "serve /metrics without a key; else it needs one with the scope admin, where keys are asked for")
	fs.Bool("check-config", false, "say all that is wrong with the settings, and end")
}

// front is what stands between the network and the router.
type front struct {
	access    api.Access
	checkHost bool
	tls       *tls.Config // nil for plain HTTP
	ring      *keys.Ring
}

// loopback tells whether only this machine reaches an address.
func loopback(address string) (bool, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false, fmt.Errorf("--listen %q: use HOST:PORT, such as 127.0.0.1:8080", address)
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback(), nil
}

// keysAsked tells whether callers need keys.
func keysAsked(s cli.Settings) bool {
	local, err := loopback(s.Listen)
	return s.RequireKeys || s.Keys != "" || err == nil && !local && !s.Insecure
}

// planFront checks the settings and opens nothing.
func planFront(s cli.Settings) (front, error) {
	local, listenErr := loopback(s.Listen)
	proxies, proxyErr := access.ParseProxies(cli.CommaList(s.Proxies), s.ProxyHeader)
	origins, originErr := api.ParseOrigins(cli.CommaList(s.CORS))
	asked := keysAsked(s)
	f := front{access: api.Access{Proxies: proxies, Origins: origins, OpenMetrics: s.MetricsOpen}, checkHost: !asked && !s.Insecure}
	if asked || !local {
		f.access.Calls = access.Limits{PerSecond: s.RateLimit, Burst: int(math.Ceil(2 * s.RateLimit))}
	}
	return f, cli.Problems(
		listenErr, prefixed("--trusted-proxies", proxyErr), prefixed("--cors-origins", originErr),
		wrong(s.Insecure && (s.RequireKeys || s.Keys != ""), "--insecure-listen asks for no keys, and --require-keys or --keys for some: leave one out"),
		wrong(s.CORS == "*" && !asked, "--cors-origins * needs keys: without them every web page that somebody here looks at could write"),
		wrong((s.TLSCert == "") != (s.TLSKey == ""), "--tls-cert and --tls-key belong together"),
		wrong(!(s.RateLimit >= 0 && s.RateLimit <= 1e6), "--rate-limit %g: use 0 to 1000000 requests a second", s.RateLimit),
	)
}

func wrong(is bool, format string, args ...any) error {
	if !is {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// openFront opens what the plan needs. Close it, also after an error.
func openFront(ctx context.Context, e cli.Env) (front, error) {
	f, err := planFront(e.Settings)
	if err != nil {
		return f, err
	}
	if e.TLSCert != "" {
		certificate, err := access.OpenCertificate(e.TLSCert, e.TLSKey, e.Log)
		if err != nil {
			return f, prefixed("--tls-cert", err)
		}
		f.tls = certificate.Config()
	}
	asked := keysAsked(e.Settings)
	if target, on := auditTo(e.Settings, asked); on {
		if f.access.Audit, err = access.OpenAudit(target, e.Log); err != nil {
			return f, prefixed("--audit", err)
		}
	}
	if !asked {
		return f, nil
	}
	source, err := openKeyring(ctx, e.Settings)
	if err != nil {
		return f, prefixed("keys", err)
	}
	if f.ring, err = keys.OpenRing(ctx, source, e.Log); err != nil {
		return f, errors.Join(err, source.Close())
	}
	f.access.Keys = f.ring
	f.warn(ctx, e)
	return f, nil
}

// auditTo is the file of the record of writes, "" for the log.
func auditTo(s cli.Settings, asked bool) (path string, on bool) {
	switch s.Audit {
	case "":
		return "", asked
	case "log":
		return "", true
	case "none":
		return "", false
	}
	return s.Audit, true
}

// warn says what an operator may have overlooked.
func (f *front) warn(ctx context.Context, e cli.Env) {
	if f.ring.Len() == 0 {
		e.Log.WarnContext(ctx, "there are no keys yet, so nobody is let in: make one with 'searchd key create'", "in", keyPlace(e.Settings))
	}
	if local, err := loopback(e.Listen); err == nil && !local && f.tls == nil && e.Proxies == "" {
		e.Log.WarnContext(ctx, "keys travel unencrypted: give --tls-cert and --tls-key, or name the proxy that does TLS in --trusted-proxies")
	}
}

// listener does TLS on l where that is wanted.
func (f *front) listener(l net.Listener) (secured net.Listener, scheme string) {
	if f.tls == nil {
		return l, "http"
	}
	return tls.NewListener(l, f.tls), "https"
}

// Close closes what is open.
func (f *front) Close(ctx context.Context) error {
	var err error
	if f.ring != nil {
		err = f.ring.Close(context.WithoutCancel(ctx))
	}
	if f.access.Audit != nil {
		err = errors.Join(err, f.access.Audit.Close())
	}
	return err
}

// checkable makes --check-config of a command that serves.
func checkable(environ []string, s cli.Streams, serve func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if only, err := cmd.Flags().GetBool("check-config"); err != nil || !only {
			return errors.Join(err, serve(cmd, args))
		}
		e, err := cli.Settle(cmd.Flags(), environ, s)
		problems := cli.Each(err, checkFiles(cmd.Context(), e))
		if len(problems) == 0 {
			_, err := fmt.Fprintln(s.Out, "the settings are in order")
			return err
		}
		for _, problem := range problems {
			if _, err := fmt.Fprintln(s.Out, problem); err != nil {
				return err
			}
		}
		return cli.Usagef("%d problems in the settings", len(problems))
	}
}

// checkFiles looks at everything that the settings lead to on this machine. It
// makes nothing, and asks no other machine.
func checkFiles(ctx context.Context, e cli.Env) error {
	_, planErr := planFront(e.Settings)
	_, orderErr := readOrder(e.Settings)
	_, fetchErr := cli.OpenFetcher(e)
	_, modelErr := cli.RetrievalManifest(e.Model)
	problems := []error{planErr, orderErr, fetchErr, prefixed("--model", modelErr), checkWriting(e.Settings), cli.CheckSecrets(e.Environ)}
	if e.TLSCert != "" && e.TLSKey != "" {
		_, err := access.OpenCertificate(e.TLSCert, e.TLSKey, e.Log)
		problems = append(problems, prefixed("--tls-cert", err))
	}
	if e.Keys != "" {
		_, err := keys.File{Path: e.Keys}.List(ctx)
		problems = append(problems, prefixed("--keys", err))
	}
	if _, named := e.Labels.(string); named {
		_, err := e.LabelSet()
		problems = append(problems, err)
	}
	if path, on := auditTo(e.Settings, false); on && path != "" {
		_, err := os.Stat(filepath.Dir(path))
		problems = append(problems, prefixed("--audit", err))
	}
	return errors.Join(problems...)
}
