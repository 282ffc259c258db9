// Package indexer puts a catalogue into an index:
//
//	feed/       rows of a feed           1 reader        every format has a file
//	fetch.go    picture bytes            a few workers   unchanged items leave here
//	encode.go   pixels, stored copy      one per CPU
//	            embedding, patch states  1, in batches
//	write.go    states, then the entry   1, in batches
//	report.go   outcomes in feed order
//
// run.go joins the stages by bounded channels, so that a slow encoder or index
// slows the feed instead of filling memory.
//
// An item ends as written, unchanged or failed. A broken item never ends the
// run; a broken dependency (index, stores, model, the feed itself) does. What
// an index already holds in the same form is neither decoded nor encoded, so a
// run that was stopped is continued by running it again.
package indexer
