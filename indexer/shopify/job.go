package shopify

import (
	"encoding/json"
	"errors"
	"fmt"

	"sightline/indexer/queue"
	"sightline/store"
	"sightline/store/filter"
)

// Kind is queue.Job.Kind of all jobs of this package.
const Kind = "shopify"

// payloadVersion grows when an older worker would misread the payload.
const payloadVersion = 1

// Op says what a worker does with a job. Each may be done twice.
type Op string

// The operations.
const (
	// Replace writes Items, then deletes what Where matches: items that the
	// product had under another handle or as variants that are gone.
	Replace Op = "replace"
	// Delete deletes what Where matches.
	Delete Op = "delete"
	// Reject fails for good with Failure, so that the product is among the dead
	// jobs, where its shop can see why; the index keeps what it has of it.
	Reject Op = "reject"
)

// Job is the payload of a queue.Job of Kind, as JSON.
type Job struct {
	Format    int    `json:"format"` // of this payload: 1
	Op        Op     `json:"op"`
	Shop      string `json:"shop"`       // its myshopify.com domain
	ProductID string `json:"product_id"` // Shopify's number
	Handle    string `json:"handle,omitempty"`
	Version   int64  `json:"version"` // microseconds since 1970; that of Items too
	Items     []Item `json:"items,omitempty"`
	// Filter is the text form of what to delete; Where parses it. It leaves
	// alone what Items holds and what a newer version wrote.
	Filter string `json:"filter,omitempty"`
	// KeepAttributes: attributes that the index has of an item and this one has
	// not stay. Metafields come by the full feed and by webhooks that are set up
	// for them only, and an update of a price must not take them away.
	KeepAttributes bool   `json:"keep_attributes,omitempty"`
	Problem        string `json:"problem,omitempty"` // of Reject, for users
}

// Item is one item to write, with its pictures: the main one first, at most
// feed.MaxImages, none where the product has none.
type Item struct {
	Item   store.Item `json:"item"`
	Images []string   `json:"images,omitempty"`
}

// DecodeJob reads the payload of a job and checks that a worker can do it.
func DecodeJob(payload []byte) (Job, error) {
	var j Job
	if err := json.Unmarshal(payload, &j); err != nil {
		return j, fmt.Errorf("read shopify job: %w", err)
	}
	if j.Format != payloadVersion {
		return j, fmt.Errorf("read shopify job: payload format %d, this program reads %d: update it", j.Format, payloadVersion)
	}
	switch j.Op {
	case Replace, Delete:
		_, err := j.Where()
		return j, err
	case Reject:
		return j, nil
	}
	return j, fmt.Errorf("read shopify job: unknown op %q", queue.Clip(string(j.Op), 32))
}

// Where is what Replace and Delete delete. It is never nil without an error: an
// index would take that for a forgotten filter.
func (j Job) Where() (filter.Expr, error) {
	e, err := filter.Parse(j.Filter)
	if err == nil && e == nil {
		err = errors.New("there is none")
	}
	if err != nil {
		return nil, fmt.Errorf("shopify job of product %s: filter: %w", j.ProductID, err)
	}
	return e, nil
}

// Failure is what a worker reports of Reject. Repeating cannot help; the next
// change of the product or the next full feed does.
func (j Job) Failure() queue.Failure {
	return queue.Failure{Stage: "shopify", Reason: j.Problem, Permanent: true}
}

// queued makes the queue's job.
func (j Job) queued(dedupe string) (queue.Job, error) {
	payload, err := json.Marshal(j)
	if err != nil {
		return queue.Job{}, fmt.Errorf("encode shopify job: %w", err)
	}
	return queue.Job{
		Kind: Kind, Key: "shopify/" + j.Shop + "/" + j.ProductID, Payload: payload, Version: j.Version, DedupeID: dedupe,
	}, nil
}
