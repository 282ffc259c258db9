// Package ingest puts together what takes and does changes of a catalogue, for
// searchd (embedded store) and indexd serve (cluster): the queue, its workers,
// Shopify's webhooks, scheduled feeds, and the REST API's view of the queue.
package ingest
