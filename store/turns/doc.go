// Package turns lets the processes that change one catalogue do so one after the
// other, where the store itself does not keep them apart. Whose turn it is stands
// in a Redis.
//
// A turn is a lease: it is renewed while it lasts, and ends by itself, TTL after
// its process has died or lost Redis. Its holder asks Held before each step and
// stops where the turn may have ended. A step that is under way at that moment is
// not stopped by anything: a process that was halted for longer than the TTL
// between the question and its step writes beside the next one. Who waits is
// served in the order of asking, so that no process keeps the others from writing.
package turns
