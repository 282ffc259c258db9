// Package cache keeps the answers of searches for a while, in memory and
// optionally in Redis, and never gets in a search's way: whatever goes wrong is
// a miss and a number in Stats, and a Redis that is down, hung or restarting
// costs a lookup at most [RedisOptions.Timeout].
//
// The parts and how they meet:
//
//	generation, ok := counter.Generation(ctx)     // or the embedded index's own
//	key, err := cache.Key{fingerprint, generation, request}.Hash()
//	value, cached, err := fetcher.Fetch(ctx, key, search)
//
// Nothing is ever deleted by name. A write moves the generation on, so that no
// key of before is asked for again, and old entries leave by age or for lack of
// room. Where the generation is not known (ok is false), search without a
// cache.
package cache
