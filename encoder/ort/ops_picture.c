//go:build cgo && !windows

#include "ops.h"

#include <stdatomic.h>

// The attention of a vision tower, over all patches of a picture. Scores are never
// more than those of ASK queries.

// PATCHES is the most tokens of a picture.
enum { PATCHES = 1 << 16 };

typedef struct {
	sl_domain *domain;
	sl_picture picture;
	size_t scratch;
	atomic_bool no_memory;
} picture_job;

static void picture_unit(void *data, size_t unit) {
	picture_job *j = data;
	void *scratch = sl_take(j->domain, j->scratch);
	if (scratch == NULL) {
		atomic_store(&j->no_memory, true);
		return;
	}
	j->domain->viewing->attend(&j->picture, unit, scratch);
	sl_give(j->domain, scratch);
}

// share_heads makes a unit of a head, or of a part of one where there are fewer
// than three units a thread: keys and values are packed for each part anew.
static void share_heads(sl_picture *p, size_t heads, size_t threads) {
	size_t blocks = (p->tokens + ASK - 1) / ASK, wanted = threads == 1 ? 1 : (3 * threads + heads - 1) / heads;
	if (wanted > blocks)
		wanted = blocks;
	p->group = (blocks + wanted - 1) / wanted;
	p->groups = (blocks + p->group - 1) / p->group;
}

// sl_picture_attention: rows [B·N,3D] of queries, keys and values -> [B·N,D], with
// attribute tokens, N. The scale of 1/8 is its own.
void sl_picture_attention(sl_call *call) {
	sl_tensor x;
	if (!sl_input(call, 0, &x))
		return;
	int64_t n = call->node->tokens;
	if (n < 1 || n > PATCHES || x.rank != 2 || x.dims[0] % n != 0) {
		sl_refuse(call, "x must be [rows,3·D], the rows a multiple of attribute tokens, which is at most 65536");
		return;
	}
	if (x.dims[1] % (3 * HEAD) != 0 || x.dims[1] < 1) {
		sl_refuse(call, "x must be [rows,3·D], D a multiple of 64");
		return;
	}
	sl_tensor out = {.rank = 2, .dims = {x.dims[0], x.dims[1] / 3}};
	if (!sl_output(call, 0, &out) || x.dims[0] == 0)
		return;
	picture_job j = {.domain = call->node->op->domain};
	j.picture = (sl_picture){.qkv = x.data, .out = out.data, .tokens = (size_t)n, .width = (size_t)out.dims[1]};
	size_t heads = (size_t)(x.dims[0] / n) * (j.picture.width / HEAD);
	share_heads(&j.picture, heads, (size_t)j.domain->threads);
	j.scratch = j.domain->viewing->scratch((size_t)n);
	if (sl_parallel(call, picture_unit, heads * j.picture.groups, &j) && atomic_load(&j.no_memory))
		sl_refuse(call, "no memory");
}
