// Package store holds the catalogue's words (Item, Entry, Query, Hit) and the
// Index contract that store/embedded and store/milvus fulfil and
// store/storetest checks. It imports nothing else of Sightline.
package store
