// Package sqlite keeps a queue in one SQLite file of the data folder, for one
// process. Every call that changes something is one transaction that has
// reached the disk when the call returns (WAL, synchronous FULL): neither a
// killed process nor a power cut loses what was acknowledged.
package sqlite
