// Package writer stands between many callers and one device that writes captions
// and answers: requests that come while the device is busy are gathered and read
// together, since a step of eight pictures takes much less than eight steps of one.
//
// It is a folder of encoder because both sides of the house write: the search
// programs for the API, the indexing programs for bootstrapped captions. rerank's
// Scheduler, which it resembles, belongs to the online side alone.
package writer
