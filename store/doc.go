// Package store holds the catalogue's words (Item, Entry, Query, Hit) and the
// Index contract that store/embedded and store/milvus fulfil and
// store/storetest checks. Of Sightline it imports store/filter only.
package store
