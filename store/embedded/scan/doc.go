// Package scan finds the k vectors with the largest dot product, exactly, in
// about a sixth of the time of a float32 scan. It is meant for unit vectors.
// store/embedded is its user.
//
// Beside each float32 vector lies an int8 code (symmetric, one scale a vector).
// A scan of the codes, a quarter of the bytes, gives each vector an interval
// that is sure to hold its float32 dot product (bound.go). Vectors whose upper
// bound reaches the k-th best lower bound are candidates; only these are
// compared in float32 (Dot), and only that decides. So the result is that of
// comparing all, equal dot products included, and no kernel can change it.
//
// The bound is Cauchy-Schwarz on the residuals, some 20 times the standard
// error. That is enough: with 100,000 vectors of 256 dimensions in 1000
// clusters it leaves about 45 candidates for k = 10 and 500 for k = 200, and
// since the surest are compared first, 24 and 320 are compared. That takes 1 %
// and 7 % of a full search (a third of one for k = 200 in 10 % of the vectors),
// and a tighter bound (per part of the vector, or with a second code for the
// residual) could only save what is compared beyond k. Vectors with a few
// components far above the others have coarser codes and leave more.
//
// Scans are written in C for AVX-512 VNNI, AVX2 and NEON, with a twin in Go for
// builds without cgo; all give the same integers. Processor time of one search
// in µs, where float32 is Dot for each allowed vector (Xeon, Sapphire Rapids,
// 2.1 GHz, one goroutine, memory shared with a training run that kept both
// cores busy; medians of 24 to 300 queries, all ways in turn):
//
//	                     float32   AVX-512    AVX2   C scalar      Go
//	all        k = 10      18898      3047    3792       5411    7833
//	           k = 200     18517      3386    4233       5473    8075
//	10 %       k = 10       3037       260     402        894    1289
//	           k = 200      5152       769     834       1172    1626
//	0.5 %      k = 10        166        37      37         47      64
//	           k = 200       213       125     117        126     142
//
// The full scan waits for memory: a block whose codes are in the cache takes a
// sixth of the time.
//
// A matrix takes 5 bytes per dimension and 12 per vector. It grows by blocks
// and a snapshot is a list of blocks with one bitmap of live slots each, so a
// search needs no lock and a writer copies little (Matrix.Set).
package scan
