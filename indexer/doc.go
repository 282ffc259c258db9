// Package indexer puts a catalogue into an index:
//
//	feed/       rows of a feed           1 reader        every format has a file
//	fetch.go    pictures' bytes          a few workers   unchanged items leave here
//	encode.go   pixels                   one per CPU     pictures, each on its own
//	            stored copies            a few workers
//	            embedding                1, in batches   of pictures of all items
//	write.go    patch states             1
//	            then the entries         1, in batches
//	report.go   outcomes in feed order
//
// pipe.go joins the stages by bounded channels, so that a slow encoder or index
// slows the feed instead of filling memory. run.go is one feed from its start to
// its end; stream.go takes items one by one, from the workers of a queue.
//
// An item ends as written, unchanged or failed. It may have several pictures:
// without the main one it fails, without another it is written. A broken item
// never ends the run; a broken dependency (index, stores, model, the feed
// itself) does. What an index already holds in the same form is neither decoded
// nor encoded, so a run that was stopped is continued by running it again.
package indexer
