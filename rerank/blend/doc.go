// Package blend orders the candidates of a search after the second look and
// before the page is cut: fitted weights, a shop's boosts and pins, one item a
// group, and diversity. docs/rerank-blend.md shows it by example. It is pure:
// no goroutines, no clock, no state; every function is safe for concurrent use.
//
// # Order of the steps
//
// Order does these one after the other, each over the outcome of the one before:
//
//  1. Weights give each candidate its score. Without any it is BLIP's sum, match
//     logit + cosine.
//  2. Boosts add to scores and buries send to the end. Then candidates are
//     sorted: see Standing.
//  3. Groups: the first of each group stands, the others are left out.
//  4. Diversity chooses the first places anew, among those not pinned.
//  5. Pins take the places that they name. Nothing comes after them.
//
// # Standing
//
// Candidates stand in three tiers: first those that were read (they have a
// logit) and those not read whose boosts add to more than zero; then all others
// not read; then the buried. Within a tier the higher score is first, at equal
// scores one that was read, then the smaller id, byte by byte; of those not
// read the nearer, then the smaller id. Ids are unique, so the outcome does not
// depend on the order of the input.
//
// The score of a candidate that was not read lacks the logit, so it is not
// comparable with the others. It is made so: the best of them, by cosine and
// features, gets the lowest score of those that were read, the others as much
// less as they differ from it. Boosts add to that. Where none was read, scores
// are made of cosine and features alone.
package blend
