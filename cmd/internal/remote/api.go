package remote

import (
	"errors"
	"strings"

	"sightline/api/client"
	"sightline/indexer"
)

// tries is how often a request is sent that the server was too busy for, or
// that did not reach it. Sending whole items again does no harm.
const tries = 6

func refusedBy(p client.LineProblem) *indexer.Fault {
	var all []string
	for _, e := range p.Errors {
		all = append(all, e.Field+" "+e.Detail)
	}
	return &indexer.Fault{Stage: indexer.StageFeed, Err: errors.New(strings.Join(all, "; "))}
}
