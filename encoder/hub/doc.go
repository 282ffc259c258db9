// Package hub downloads models from a server that speaks the Hugging Face
// Hub's protocol: a revision is resolved to a commit, the commit's files and
// their hashes are listed, and what is asked for is fetched into a cache
// folder. A download that was broken off, by whatever, goes on where it was.
//
// A file stands under its name only when it is whole and its hash is the one
// that was listed; until then it lies in a folder of partial files. So nothing
// half-written can be taken for a result, whenever the process ends.
//
// Folder of one repository, below the cache folder and the server's name:
//
//	blobs/HASH              whole files: SHA-256 of large ones, Git's blob hash of small ones
//	.partial/HASH           files under way, and HASH.etag, what their server called them
//	revisions/NAME.json     the listing of a revision when it was last asked for
//	snapshots/COMMIT/PATH   links to blobs: what a user of the model opens
//	lock                    held while a program downloads or converts from here
//
// This is not the layout of huggingface_hub's own cache, which is neither read
// nor written.
package hub
