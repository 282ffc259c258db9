// Package catalogue makes shops that do not exist: pictures of products, drawn
// from a seed, and exact knowledge of what each of them shows.
//
// A picture shows one product, or a set: two or three in a row, one on or
// inside another, several of the same. Its [Record] lists the objects with
// type, colour, pattern, size and the colours of their parts, and their
// relations. A [Spec] is what a caption or query claims. [Matches] decides
// whether it is true, so relevance needs no judges, and a negative is known to
// be false. The [Split] keeps colour combinations back from training.
//
// # JSON
//
// Records and specs are small integers, indices into the lists of schema.json
// ([NewSchema]), so that another language needs no grammar:
//
//	record  {"o":[[type,color,pattern,size,part1,part2],…], "r":[[kind,a,b],…]}
//	spec    {"g":[[count,type,color,pattern,size,part1,part2],…], "r":[[kind,a,b],…]}
//
// part1 and part2 are the colours of the type's first and second part; a
// record has -1 where a type has one part only, a spec has -1 for whatever it
// leaves open. Kinds of relation are 0 left of, 1 on, 2 inside, and in specs 3
// beside. "r" is left out when empty. "Right of" is written as left of, the
// other way round. Objects of a row are listed from left to right.
//
// A spec is true of a record when every group's number of fitting objects is
// its count (or at least one, for count 0), and every relation holds between
// an object that fits group a and one that fits group b. Beside is left of in
// either direction. Other objects may be in the picture too. In Python:
//
//	def fits(g, o): return all(x < 0 or x == y for x, y in zip(g[1:], o))
//	def matches(spec, rec):
//	    at = [[i for i, o in enumerate(rec["o"]) if fits(g, o)] for g in spec["g"]]
//	    if not all(len(s) == g[0] if g[0] else s for g, s in zip(spec["g"], at)): return False
//	    def holds(k, a, b): return any([k, i, j] in rec.get("r", []) for i in at[a] for j in at[b])
//	    return all(holds(0, a, b) or holds(0, b, a) if k == 3 else holds(k, a, b) for k, a, b in spec.get("r", []))
//
// testdata/matches.jsonl holds cases {"record","spec","match"} for a port to
// be tried on.
//
// # Sameness
//
// One seed gives the same pixels and texts on every 64-bit platform. Nothing here is
// computed in floating point but the rasterizer's own steps, which compilers
// cannot fuse at these sizes (see mask.go); random numbers are PCG, reduced to
// ranges by this package; sines come from a table of integers.
package catalogue
