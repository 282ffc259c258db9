// Package redis keeps a queue in a Redis for several processes. Every call is
// one Lua script, so it happens as a whole or not at all, and time is the
// Redis's own. What was acknowledged survives a killed Redis if it writes an
// append-only file (appendonly yes), and a power cut if it does so with
// appendfsync always; with "everysec" that can lose a second. A Redis that
// keeps neither (save "", appendonly no) loses the whole queue when it ends.
package redis
