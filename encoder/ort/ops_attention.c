//go:build cgo && !windows

#include "ops.h"

#include <limits.h>
#include <stdatomic.h>

// TOKENS is the most that the kernels take.
enum { TOKENS = 1 << 16 };

// MOST_ROWS bounds the tokens of a text.
enum { MOST_ROWS = 1 << 16 };

typedef struct {
	sl_functions f;
	const int8_t *states;
	uint8_t *packed;
	int tokens, width;
	size_t size; // of one picture's packed states
} pack_job;

static void pack_one(void *data, size_t i) {
	const pack_job *j = data;
	j->f.pack(j->states + i * (size_t)j->tokens * (size_t)j->width, j->tokens, j->width, j->packed + i * j->size);
}

// sl_pack_states: states int8 [B,N,Dv] -> uint8 [B,size], once a run for all layers.
void sl_pack_states(sl_call *call) {
	sl_tensor states;
	if (!sl_input(call, 0, &states))
		return;
	if (states.rank != 3 || states.dims[1] < 1 || states.dims[1] > TOKENS || states.dims[2] < 1 || states.dims[2] > INT_MAX) {
		sl_refuse(call, "states must be [B,N,Dv], N at most 65536");
		return;
	}
	pack_job j = {.f = call->node->op->domain->functions, .states = states.data, .tokens = (int)states.dims[1], .width = (int)states.dims[2]};
	j.size = j.f.packed_size(j.tokens, j.width);
	sl_tensor out = {.rank = 2, .dims = {states.dims[0], (int64_t)j.size}};
	if (!sl_output(call, 0, &out))
		return;
	j.packed = out.data;
	sl_parallel(call, pack_one, (size_t)states.dims[0], &j);
}

// sl_pictures are patch states as CrossAttention's inputs 1 to 3 say.
typedef struct {
	sl_attention first; // of picture 0
	size_t count, packed_size;
} sl_pictures;

static bool pictures_of(sl_call *call, sl_pictures *p) {
	sl_tensor states, packed, scale;
	if (!sl_input(call, 1, &states) || !sl_input(call, 2, &packed) || !sl_input(call, 3, &scale))
		return false;
	if (states.rank != 3 || states.dims[1] < 1 || states.dims[1] > TOKENS || states.dims[2] < 1 || states.dims[2] > INT_MAX)
		return sl_refuse(call, "states must be [B,N,Dv], N at most 65536");
	if (scale.rank != 2 || scale.dims[0] != states.dims[0] || scale.dims[1] != states.dims[1])
		return sl_refuse(call, "scale must be [B,N]");
	p->first.tokens = (int)states.dims[1];
	p->first.width = (int)states.dims[2];
	p->packed_size = call->node->op->domain->functions.packed_size(p->first.tokens, p->first.width);
	if (packed.rank != 2 || packed.dims[0] != states.dims[0] || packed.dims[1] != (int64_t)p->packed_size)
		return sl_refuse(call, "packed is not what PackStates makes of these states");
	p->first.states = states.data;
	p->first.packed = packed.data;
	p->first.scale = scale.data;
	p->count = (size_t)states.dims[0];
	return true;
}

// picture is the attention to picture b, without queries and results.
static sl_attention picture(const sl_pictures *p, size_t b) {
	sl_attention a = p->first;
	a.states += b * (size_t)a.tokens * (size_t)a.width;
	a.packed += b * p->packed_size;
	a.scale += b * (size_t)a.tokens;
	return a;
}

// length_of is the tokens a picture has of all rows: all of them where they are
// one text's, shared by the pictures.
static bool length_of(sl_call *call, int64_t rows, size_t pictures, int *length) {
	int64_t b = (int64_t)pictures;
	if (!call->node->shared && (b == 0 ? rows != 0 : rows % b != 0))
		return sl_refuse(call, "the rows are no multiple of the pictures");
	int64_t each = call->node->shared || b == 0 ? rows : rows / b;
	if (each > MOST_ROWS)
		return sl_refuse(call, "a text has more rows than 65536");
	*length = (int)each;
	return true;
}

// attend_job is the cross-attention of a batch. A unit is a picture with some of
// its heads: with fewer pictures than threads, heads are what is shared out.
typedef struct {
	sl_domain *domain;
	sl_pictures pictures;
	const float *q;
	float *out;
	size_t q_step;             // floats from one picture's q to the next's, 0 where it is shared
	size_t q_head, out_head;   // floats from one head's rows to the next's
	int heads, length;
	int groups, group; // heads of a picture: groups of group, the last may have fewer
	size_t scratch;
	atomic_bool no_memory;
} attend_job;

static void attend_one(void *data, size_t unit) {
	attend_job *j = data;
	size_t b = unit / (size_t)j->groups, head = unit % (size_t)j->groups * (size_t)j->group;
	sl_attention a = picture(&j->pictures, b);
	a.q_head = j->q_head;
	a.length = j->length;
	a.heads = j->heads - (int)head < j->group ? j->heads - (int)head : j->group;
	a.q = j->q + head * j->q_head + b * j->q_step;
	a.out = j->out + head * j->out_head + b * (size_t)j->length * (size_t)a.width;
	a.scratch = sl_take(j->domain, j->scratch);
	if (a.scratch == NULL) {
		atomic_store(&j->no_memory, true);
		return;
	}
	j->domain->functions.attend(&a);
	sl_give(j->domain, a.scratch);
}

// share_out settles the units: two a thread, so that one that is late does not
// keep all waiting.
static void share_out(attend_job *j) {
	int64_t threads = j->domain->threads, b = (int64_t)j->pictures.count;
	int64_t wanted = threads == 1 ? 1 : (2 * threads + b - 1) / b;
	// Where q is shared, heads follow each other in other steps than results do.
	if (j->q_head != j->out_head)
		wanted = j->heads;
	j->groups = wanted < j->heads ? (int)wanted : j->heads;
	j->group = (j->heads + j->groups - 1) / j->groups;
	j->groups = (j->heads + j->group - 1) / j->group;
	j->scratch = j->domain->functions.scratch_size(j->group * j->length, j->pictures.first.tokens, j->pictures.first.width);
}

// sl_cross_attention: q [h,R,Dv], states int8 [B,N,Dv], packed, scale [B,N] ->
// [h,B·L,Dv]. R is B·L, or with attribute shared L, the same for all pictures.
void sl_cross_attention(sl_call *call) {
	attend_job j = {.domain = call->node->op->domain};
	sl_tensor q;
	if (!sl_input(call, 0, &q) || !pictures_of(call, &j.pictures))
		return;
	int64_t dv = j.pictures.first.width;
	if (q.rank != 3 || q.dims[2] != dv || q.dims[0] < 1 || q.dims[0] > 4096) {
		sl_refuse(call, "q must be [heads,rows,Dv] of the states' Dv");
		return;
	}
	if (!length_of(call, q.dims[1], j.pictures.count, &j.length))
		return;
	int64_t rows = (int64_t)j.pictures.count * j.length;
	sl_tensor out = {.rank = 3, .dims = {q.dims[0], rows, dv}};
	if (!sl_output(call, 0, &out) || rows == 0)
		return;
	j.q = q.data;
	j.out = out.data;
	j.heads = (int)q.dims[0];
	j.q_head = (size_t)(q.dims[1] * dv);
	j.out_head = (size_t)(rows * dv);
	j.q_step = call->node->shared ? 0 : (size_t)(j.length * dv);
	share_out(&j);
	if (sl_parallel(call, attend_one, j.pictures.count * (size_t)j.groups, &j) && atomic_load(&j.no_memory))
		sl_refuse(call, "no memory");
}

// cross_job is sl_cross_int8 of a batch. A unit is some pictures with everything
// that happens to them between a layer's rows and its averages' values: the
// queries of all heads are as many times as wide as the rows as there are heads, and
// would leave the cache.
typedef struct {
	sl_domain *domain;
	sl_pictures pictures;
	sl_cross cross;
	size_t per; // pictures of a unit
	size_t scratch;
	atomic_bool no_memory;
} cross_job;

static size_t whole(size_t n, size_t to) { return (n + to - 1) / to * to; }

// lay_out cuts scratch memory for n rows and returns its size. Rows that a product
// reads are whole blocks.
static size_t lay_out(const cross_job *j, size_t n, uint8_t *memory, sl_cross_scratch *s) {
	const sl_cross *c = &j->cross;
	size_t dv = (size_t)c->keys->n, blocks = whole(n, BLOCK), d = (size_t)c->query->n, at = 0;
	int depth = c->query->depth > c->values->depth ? c->query->depth : c->values->depth;
	uint8_t *parts[8];
	size_t sizes[8] = {
		blocks * (size_t)depth * 64, blocks * HEAD, n * d * sizeof(float), c->heads * n * dv * sizeof(float), n * sizeof(float),
		c->heads * n * sizeof(float), (c->heads * n + blocks) * dv,
		j->domain->functions.scratch_size((int)(c->heads * c->length), j->pictures.first.tokens, j->pictures.first.width),
	};
	for (int i = 0; i < 8; i++) {
		parts[i] = memory + at;
		at += whole(sizes[i], 64);
	}
	*s = (sl_cross_scratch){
		.a = parts[0], .head = parts[1], .q = (float *)parts[2], .wide = (float *)parts[3], .scale = (float *)parts[4],
		.average_scale = (float *)parts[5], .average = parts[6], .attend = parts[7],
	};
	return at;
}

static void cross_one(void *data, size_t unit) {
	cross_job *j = data;
	const sl_passes *passes = j->domain->passes;
	const sl_cross *c = &j->cross;
	size_t from = unit * j->per, to = from + j->per < j->pictures.count ? from + j->per : j->pictures.count;
	size_t n = (to - from) * c->length, first = from * c->length;
	uint8_t *memory = sl_take(j->domain, j->scratch);
	if (memory == NULL) {
		atomic_store(&j->no_memory, true);
		return;
	}
	sl_cross_scratch s;
	lay_out(j, n, memory, &s);
	c->gemm->begin();
	passes->queries(c, first, (int)n, &s);
	c->gemm->end();
	for (size_t b = from; b < to; b++) {
		sl_attention a = picture(&j->pictures, b);
		size_t row = (b - from) * c->length;
		a.heads = (int)c->heads;
		a.length = (int)c->length;
		a.q_head = n * (size_t)a.width;
		a.q = s.wide + row * (size_t)a.width;
		a.out8 = s.average + row * (size_t)a.width;
		a.out_scale = s.average_scale + row;
		a.scratch = s.attend;
		j->domain->functions.attend(&a);
	}
	c->gemm->begin();
	passes->values(c, first, (int)n, &s);
	c->gemm->end();
	sl_give(j->domain, memory);
}

// sl_cross_int8_prepare packs W_q, and of each head the part of W_k, columns of
// [Dv,D], turned, and of W_v, the columns as they are.
void sl_cross_int8_prepare(sl_call *call) {
	sl_tensor q, k, v;
	if (!sl_matrix(call, 4, &q) || !sl_matrix(call, 7, &k) || !sl_matrix(call, 8, &v))
		return;
	if (q.dims[1] % HEAD != 0 || k.dims[1] != q.dims[1] || v.dims[1] != q.dims[1] || k.dims[0] != v.dims[0]) {
		sl_refuse(call, "the weights must be [D,H], [Dv,H] and [Dv,H], H a multiple of 64");
		return;
	}
	size_t d = (size_t)q.dims[1], heads = d / HEAD;
	if (!sl_room(call, 1 + 2 * heads) || !sl_pack_part(call, 0, (sl_part){q.data, d, 1, q.dims[0], q.dims[1]}))
		return;
	for (size_t h = 0; h < heads; h++) {
		if (!sl_pack_part(call, 1 + h, (sl_part){(const int8_t *)k.data + h * HEAD, 1, d, HEAD, k.dims[0]}) ||
		    !sl_pack_part(call, 1 + heads + h, (sl_part){(const int8_t *)v.data + h * HEAD, d, 1, v.dims[0], HEAD}))
			return;
	}
}

static bool cross_inputs(sl_call *call, cross_job *j) {
	sl_cross *c = &j->cross;
	sl_weights *w = call->node->weights;
	c->heads = (call->node->count - 1) / 2;
	c->query = w;
	c->keys = w + 1;
	c->values = w + 1 + c->heads;
	c->gemm = j->domain->gemm;
	sl_tensor x, bias;
	if (!sl_input(call, 0, &x) || !pictures_of(call, &j->pictures) || !sl_input(call, 10, &bias) ||
	    !sl_vector(call, 5, w->n, &c->factor) || !sl_vector(call, 6, w->n, &c->bias) || !sl_vector(call, 9, w->n, &c->value_factor))
		return false;
	if (x.rank != 2 || x.dims[1] != w->k || j->pictures.first.width != c->keys->n)
		return sl_refuse(call, "x must be [rows,D] and states [B,N,Dv] of the weights' D and Dv");
	if (bias.rank != 3 || bias.dims[0] != (int64_t)j->pictures.count || bias.dims[1] != 1 || bias.dims[2] != w->n)
		return sl_refuse(call, "the values' bias must be [B,1,D]");
	int length = 0;
	if (!length_of(call, x.dims[0], j->pictures.count, &length))
		return false;
	c->x = x.data;
	c->x_rows = (size_t)x.dims[0];
	c->length = (size_t)length;
	c->value_bias = bias.data;
	return true;
}

// sl_cross_int8: x [R,D], states int8 [B,N,Dv], packed, scale [B,N], W_q int8
// [D,H], its scale [H] and bias [H], W_k int8 [Dv,H], W_v int8 [Dv,H], its scale
// [H], bias of the values [B,1,H] -> [B·L,H]. The scale of W_q is times that of
// W_k, and so is in the bias. R as for sl_cross_attention.
void sl_cross_int8(sl_call *call) {
	cross_job j = {.domain = call->node->op->domain};
	if (!cross_inputs(call, &j))
		return;
	sl_cross *c = &j.cross;
	size_t b = j.pictures.count, threads = (size_t)j.domain->threads;
	sl_tensor out = {.rank = 2, .dims = {(int64_t)(b * c->length), c->query->n}};
	if (!sl_output(call, 0, &out) || b * c->length == 0)
		return;
	c->out = out.data;
	// As many as fill a block of rows, but some for every thread.
	j.per = c->length < BLOCK ? BLOCK / c->length : 1;
	if (j.per > (b + threads - 1) / threads)
		j.per = (b + threads - 1) / threads;
	sl_cross_scratch none;
	j.scratch = lay_out(&j, j.per * c->length, NULL, &none);
	if (sl_parallel(call, cross_one, (b + j.per - 1) / j.per, &j) && atomic_load(&j.no_memory))
		sl_refuse(call, "no memory");
}
