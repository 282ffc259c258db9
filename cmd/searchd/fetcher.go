package main

import "sightline/cmd/internal/cli"

// openFetcher finds the client for pictures that requests name by address: the
// one that fetches the catalogue's, so that a host sees one program, or one of its
// own where the catalogue is not written.
func (sv *service) openFetcher() error {
	switch {
	case sv.catalogue == nil: // eval searches by what it has
		return nil
	case sv.ingest != nil:
		sv.fetcher = sv.ingest.Fetcher()
		return nil
	}
	c, err := cli.OpenFetcher(sv.env)
	if err != nil {
		return err
	}
	sv.fetcher, sv.closeFetch = c, c.Close
	return nil
}
