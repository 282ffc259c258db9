// Package milvus is the store.Index on Milvus, through milvus-sdk-go/v2: for
// catalogues of more than one machine's memory, and for several searchd beside
// one indexd. docs/milvus.md says when to choose it and what differs from
// store/embedded.
//
// # Layout
//
// A Milvus collection for each model holds the items, one row each: the
// embedding, the item as JSON, and typed columns for the fields that filters
// ask for most. Beside it stands a small collection of tombstones, the versions
// of deleted items. They are not rows of the items' collection with a mark,
// because each dead row would stay in the vector index for ever, every search
// would carry a filter, and counting would too, for which Milvus
// Lite reads whole rows (0.15 ms each). The order of writes (tombstone first, then
// delete) makes one atomic change of the two: a tombstone of a living item is
// never above its version and so has no effect.
//
// A third collection holds the items' further pictures, one row each, for the
// same reasons: in a catalogue without any it is empty and costs nothing, and
// what counts and lists items need not know of it. The rows repeat the columns
// that filters ask for, so that one condition picks items and views. An item's
// row names the views that belong to it; see views.go.
//
// One more collection, the register, lists the models, since collections keep
// no text of ours and listing collections gives nothing on Milvus Lite. An
// alias names the current collection.
//
// # Who may write
//
// One process at a time: a version is read and then written, and Milvus Lite
// loses acknowledged deletes when a flush runs beside a write. In this process
// writes, and on Lite flushes, take turns. Any number of processes may read.
package milvus
