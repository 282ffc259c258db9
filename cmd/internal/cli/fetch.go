package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"sightline/encoder/picture"
	"sightline/store/fetch"
)

// FetchFlags adds the flags of the commands that fetch from addresses.
func FetchFlags(fs *pflag.FlagSet) {
	fs.String("fetch-allow", "", "hosts, addresses and blocks that are fetched from though they are not public: pictures.local,10.1.0.0/16")
	fs.String("fetch-ports", "", "ports that are fetched from besides 80, 443, 8080 and 8443: 8000,9000")
	fs.Int("fetch-per-host", 4, "requests at a time for one host")
	fs.Duration("fetch-timeout", time.Minute, "most time for one try at one picture")
	fs.String("fetch-contact", "", "address or e-mail in the User-Agent, for operators of the pictures' servers")
	fs.Duration("revalidate", 24*time.Hour, "age from which a picture's server is asked whether it has changed; younger ones are not asked for at all")
}

// checkFetch is Check's part for FetchFlags.
func (s Settings) checkFetch(p *problems) {
	p.add(s.FetchPerHost < 0 || s.FetchPerHost > 256, "--fetch-per-host %d: use 1 to 256", s.FetchPerHost)
	p.add(s.FetchTimeout < 0, "--fetch-timeout %s: it must not be negative", s.FetchTimeout)
}

// CommaList cuts the value of a flag at commas and spaces.
func CommaList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func portList(text string) ([]uint16, error) {
	var ports []uint16
	for _, each := range CommaList(text) {
		port, err := strconv.ParseUint(each, 10, 16)
		if err != nil || port == 0 {
			return nil, Usagef("--fetch-ports: %q is no port; use 1 to 65535", each)
		}
		ports = append(ports, uint16(port))
	}
	return ports, nil
}

// OpenFetcher makes the client for pictures and feeds.
func OpenFetcher(e Env) (*fetch.Client, error) {
	ports, err := portList(e.FetchPorts)
	if err != nil {
		return nil, err
	}
	c, err := fetch.New(fetch.Options{
		Allow: CommaList(e.FetchAllow), Ports: ports, PerHost: e.FetchPerHost, Timeout: e.FetchTimeout, Contact: e.FetchContact,
		Sniff: func(head []byte) bool { _, ok := picture.Sniff(head); return ok },
	})
	if err != nil {
		return nil, Usagef("--fetch-allow: %w", err)
	}
	return c, nil
}
