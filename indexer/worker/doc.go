// Package worker does what waits in the queue: writes to single items
// (store/change) and products of Shopify (indexer/shopify).
//
//	worker.go    a job to its outcome
//	change.go    put, patch, delete; If-Match
//	patch.go     RFC 7396 over the item's JSON
//	pictures.go  what a change says of an item's pictures
//	shopify.go   replace, delete, reject
//	write.go     one record through the importer, and what the index made of it
//	run.go       workers on a queue, and forgetting old jobs
//
// Every job may be done twice, as the queue delivers at least once. Jobs of one
// item run one after the other, by the queue's key; those of a Shopify product
// have a key of their own, so that reading and writing an item is also locked
// here, among the workers of one process. Between processes the versions of
// items decide.
package worker
