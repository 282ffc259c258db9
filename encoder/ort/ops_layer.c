//go:build cgo && !windows

#include "ops.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

// The operators of a layer with int8 weights, of either tower. Rows of x are rounded to uint8
// with a scale each, so that no row depends on another. Weights are packed when
// the graph is loaded; the passes are in ops_linear.c.

// MOST is the largest width of anything.
enum { MOST = 1 << 20 };

static int64_t elements(const sl_tensor *t) {
	int64_t n = 1;
	for (size_t i = 0; i < t->rank; i++)
		n *= t->dims[i];
	return n;
}

static bool width_fits(int64_t n) { return n > 0 && n <= MOST && n % 16 == 0; }

bool sl_matrix(sl_call *call, size_t index, sl_tensor *w) {
	if (!sl_constant(call, index, w))
		return false;
	if (w->rank != 2 || !width_fits(w->dims[0]) || !width_fits(w->dims[1]))
		return sl_refuse(call, "a weight must be [in,out], both multiples of 16");
	return true;
}

bool sl_room(sl_call *call, size_t count) {
	call->node->weights = calloc(count, sizeof *call->node->weights);
	call->node->count = call->node->weights == NULL ? 0 : count;
	return call->node->count > 0 || sl_refuse(call, "no memory");
}

bool sl_pack_part(sl_call *call, size_t index, sl_part p) {
	sl_weights *w = &call->node->weights[index];
	w->k = (int)p.k;
	w->n = (int)p.n;
	return sl_weights_pack(w, p.source, p.row, p.column) || sl_refuse(call, "no memory for a weight");
}

// rows_job shares rows out in units.
typedef struct {
	const sl_domain *domain;
	sl_domain *pool;
	const void *job;
	void (*run)(const sl_passes *passes, const void *job, size_t first, int rows, void *scratch);
	size_t rows, most; // most of a unit, a multiple of BLOCK
	size_t blocks, units, scratch;
	size_t extra; // scratch bytes of a unit beside those of its rows
	atomic_bool no_memory;
} rows_job;

static void unit_of_rows(void *data, size_t i) {
	rows_job *j = data;
	size_t first = j->blocks * i / j->units * BLOCK, end = j->blocks * (i + 1) / j->units * BLOCK;
	int rows = (int)((end < j->rows ? end : j->rows) - first);
	void *scratch = sl_take(j->pool, j->scratch);
	if (scratch == NULL) {
		atomic_store(&j->no_memory, true);
		return;
	}
	j->domain->gemm->begin();
	j->run(j->domain->passes, j->job, first, rows, scratch);
	j->domain->gemm->end();
	sl_give(j->pool, scratch);
}

// The most rows of a unit, so that what a thread works on stays in its cache: 320
// rows of 768 values are 0.25 MB in uint8; 128 rows of 3072 values are 0.4 MB in uint8
// and 1.5 MB in float32.
enum { LINEAR_UNIT = 320, MLP_UNIT = 128 };

// over_rows runs the job. Each unit reads all weights, so there are as few as
// there are threads, or so many times as few; row is the scratch bytes of one row.
static void over_rows(sl_call *call, rows_job *j, size_t row) {
	sl_domain *d = call->node->op->domain;
	size_t threads = (size_t)d->threads, most = j->most / BLOCK;
	if (j->rows == 0)
		return;
	j->blocks = (j->rows + BLOCK - 1) / BLOCK;
	j->units = ((j->blocks + most - 1) / most + threads - 1) / threads * threads;
	if (j->units > j->blocks)
		j->units = j->blocks;
	j->domain = j->pool = d;
	j->scratch = (j->blocks + j->units - 1) / j->units * BLOCK * (row + sizeof(float)) + j->extra;
	if (sl_parallel(call, unit_of_rows, j->units, j) && atomic_load(&j->no_memory))
		sl_refuse(call, "no memory");
}

// x_of reads input 0 as rows of the width that the weights take.
static bool x_of(sl_call *call, sl_tensor *x) {
	if (!sl_input(call, 0, x))
		return false;
	if (x->rank != 2 || x->dims[1] != call->node->weights[0].k || x->dims[0] > INT_MAX)
		return sl_refuse(call, "x must be [rows,in] of the weight's in");
	return true;
}

bool sl_vector(sl_call *call, size_t index, int64_t n, const float **data) {
	sl_tensor t;
	if (!sl_input(call, index, &t))
		return false;
	*data = t.data;
	return elements(&t) == n || sl_refuse(call, "a scale, bias or norm does not have one value a column");
}

void sl_linear_prepare(sl_call *call) {
	sl_tensor w;
	if (sl_matrix(call, 1, &w) && sl_room(call, 1))
		sl_pack_part(call, 0, (sl_part){w.data, (size_t)w.dims[1], 1, w.dims[0], w.dims[1]});
}

static void run_linear(const sl_passes *passes, const void *job, size_t first, int rows, void *scratch) {
	const sl_linear *j = job;
	size_t blocks = ((size_t)rows + BLOCK - 1) / BLOCK * BLOCK;
	sl_linear_scratch s = {.a = scratch};
	s.scale = (float *)(s.a + blocks * (size_t)j->w->depth * 64);
	s.normed = s.scale + rows;
	passes->linear(j, first, rows, &s);
}

static bool linear_inputs(sl_call *call, sl_linear *j, sl_tensor *out) {
	sl_tensor x;
	if (!x_of(call, &x))
		return false;
	j->gemm = call->node->op->domain->gemm;
	j->w = &call->node->weights[0];
	j->x = x.data;
	*out = (sl_tensor){.rank = 2, .dims = {x.dims[0], j->w->n}};
	return sl_vector(call, 2, j->w->n, &j->factor) && sl_vector(call, 3, j->w->n, &j->bias);
}

static void linear(sl_call *call, sl_linear *j, sl_tensor *out) {
	if (!sl_output(call, 0, out))
		return;
	j->out = out->data;
	rows_job rows = {.job = j, .run = run_linear, .rows = (size_t)out->dims[0], .most = LINEAR_UNIT, .extra = (size_t)j->w->k * sizeof(float)};
	over_rows(call, &rows, (size_t)j->w->depth * 64);
}

// sl_linear_run: x [R,in], weight int8 [in,out], scale [out], bias [out] -> [R,out].
void sl_linear_run(sl_call *call) {
	sl_linear j = {0};
	sl_tensor out;
	if (linear_inputs(call, &j, &out))
		linear(call, &j, &out);
}

// sl_norm_linear: also gamma and beta [in]: the Linear of LayerNorm of x, with
// attribute epsilon.
void sl_norm_linear(sl_call *call) {
	sl_linear j = {.before.epsilon = call->node->epsilon};
	sl_tensor out;
	if (linear_inputs(call, &j, &out) && sl_vector(call, 4, j.w->k, &j.before.gamma) && sl_vector(call, 5, j.w->k, &j.before.beta))
		linear(call, &j, &out);
}

// residual_of reads what is added to rows of out.
static bool residual_of(sl_call *call, const sl_tensor *out, sl_norm *norm) {
	sl_tensor t;
	if (!sl_input(call, 4, &t))
		return false;
	if (t.rank != 2 || t.dims[1] != out->dims[1] || t.dims[0] < 1 || out->dims[0] % t.dims[0] != 0)
		return out->dims[0] == 0 || sl_refuse(call, "residual must be [rows,out], its rows a divisor of x's");
	norm->residual = t.data;
	norm->residual_rows = (size_t)t.dims[0];
	return true;
}

// sl_linear_add: also residual [R',out], R' a divisor of R, which is added.
void sl_linear_add(sl_call *call) {
	sl_linear j = {0};
	sl_tensor out;
	if (linear_inputs(call, &j, &out) && residual_of(call, &out, &j.norm))
		linear(call, &j, &out);
}

// sl_linear_norm: also gamma and beta [out]: LayerNorm of that sum, with attribute
// epsilon.
void sl_linear_norm(sl_call *call) {
	sl_linear j = {.norm.epsilon = call->node->epsilon};
	sl_tensor out;
	if (linear_inputs(call, &j, &out) && residual_of(call, &out, &j.norm) &&
	    sl_vector(call, 5, j.w->n, &j.norm.gamma) && sl_vector(call, 6, j.w->n, &j.norm.beta))
		linear(call, &j, &out);
}

// sl_mlp_prepare packs both weights.
void sl_mlp_prepare(sl_call *call) {
	sl_tensor up, down;
	if (!sl_matrix(call, 1, &up) || !sl_matrix(call, 4, &down))
		return;
	if (up.dims[1] % BLOCK != 0 || down.dims[0] != up.dims[1] || down.dims[1] != up.dims[0]) {
		sl_refuse(call, "the weights must be [D,M] and [M,D], M a multiple of 32");
		return;
	}
	if (sl_room(call, 2) && sl_pack_part(call, 0, (sl_part){up.data, (size_t)up.dims[1], 1, up.dims[0], up.dims[1]}))
		sl_pack_part(call, 1, (sl_part){down.data, (size_t)down.dims[1], 1, down.dims[0], down.dims[1]});
}

static size_t mlp_width(const sl_mlp *j) { // of the quantised rows, in bytes
	int depth = j->up->depth > j->down->depth ? j->up->depth : j->down->depth;
	return (size_t)depth * 64;
}

static void run_mlp(const sl_passes *passes, const void *job, size_t first, int rows, void *scratch) {
	const sl_mlp *j = job;
	size_t blocks = ((size_t)rows + BLOCK - 1) / BLOCK * BLOCK;
	sl_mlp_scratch s = {.a = scratch};
	s.hidden = (float *)(s.a + blocks * mlp_width(j));
	s.peak = s.hidden + (size_t)rows * (size_t)j->up->n;
	s.scale = s.peak + (size_t)rows * 16;
	s.inverse = s.scale + rows;
	s.normed = s.inverse + rows;
	passes->mlp(j, first, rows, &s);
}

// mlp is both, norm being where gamma and beta go.
static void mlp(sl_call *call, sl_mlp *j, sl_norm *norm) {
	sl_tensor x;
	j->gemm = call->node->op->domain->gemm;
	j->up = call->node->weights;
	j->down = call->node->weights + 1;
	norm->epsilon = call->node->epsilon;
	if (!x_of(call, &x) || !sl_vector(call, 2, j->up->n, &j->factor) || !sl_vector(call, 3, j->up->n, &j->bias) ||
	    !sl_vector(call, 5, j->down->n, &j->down_factor) || !sl_vector(call, 6, j->down->n, &j->down_bias) ||
	    !sl_vector(call, 7, j->down->n, &norm->gamma) || !sl_vector(call, 8, j->down->n, &norm->beta))
		return;
	sl_tensor out = {.rank = 2, .dims = {x.dims[0], j->down->n}};
	if (!sl_output(call, 0, &out))
		return;
	j->x = j->norm.residual = x.data;
	j->norm.residual_rows = (size_t)x.dims[0];
	j->out = out.data;
	rows_job rows = {.job = j, .run = run_mlp, .rows = (size_t)x.dims[0], .most = MLP_UNIT, .extra = (size_t)j->up->k * sizeof(float)};
	over_rows(call, &rows, mlp_width(j) + ((size_t)j->up->n + 16 + 2) * sizeof(float));
}

// sl_mlp_run: x [R,D], weight int8 [D,M], scale [M], bias [M], weight int8 [M,D],
// scale [D], bias [D], gamma [D], beta [D] -> LayerNorm of x and the second
// Linear of the GELU of the first, [R,D], with attribute epsilon.
void sl_mlp_run(sl_call *call) {
	sl_mlp j = {0};
	mlp(call, &j, &j.norm);
}

// sl_norm_mlp: the same inputs -> x and both Linears of LayerNorm of x.
void sl_norm_mlp(sl_call *call) {
	sl_mlp j = {0};
	mlp(call, &j, &j.before);
}

typedef struct {
	sl_self self;
	const sl_passes *passes;
} self_job;

static void one_text(void *data, size_t text) {
	const self_job *j = data;
	j->passes->self(&j->self, text);
}

// self_attention attends within texts of L tokens; lengths may be NULL.
static void self_attention(sl_call *call, const int64_t *lengths, int64_t count) {
	sl_tensor x, ids;
	if (!sl_input(call, 0, &x) || !sl_input(call, 1, &ids))
		return;
	if (x.rank != 2 || x.dims[1] % (3 * HEAD) != 0 || x.dims[1] > MOST) {
		sl_refuse(call, "x must be [rows,3·D], D a multiple of 64");
		return;
	}
	int64_t length = ids.rank == 2 ? ids.dims[1] : 0;
	if (length < 1 || length > TEXT || x.dims[0] % length != 0) {
		sl_refuse(call, "ids must be [·,L], L a divisor of the rows and at most 512");
		return;
	}
	int64_t texts = x.dims[0] / length;
	if (lengths != NULL && count != texts) {
		sl_refuse(call, "lengths must have one number a text");
		return;
	}
	bool first = call->node->first != 0;
	sl_tensor out = {.rank = 2, .dims = {first ? texts : x.dims[0], x.dims[1] / 3}};
	if (!sl_output(call, 0, &out))
		return;
	self_job j = {.passes = call->node->op->domain->passes};
	j.self = (sl_self){
		.qkv = x.data, .out = out.data, .lengths = lengths, .length = (size_t)length, .width = (size_t)out.dims[1], .first = first,
	};
	sl_parallel(call, one_text, (size_t)texts, &j);
}

// sl_self_attention: rows [R,3D] of queries (with 1/8 in them), keys and values of
// texts of L tokens, and ids [·,L] -> [R,D], or with attribute first [R/L,D].
void sl_self_attention(sl_call *call) { self_attention(call, NULL, 0); }

// sl_padded_attention: also lengths int64 [R/L]: tokens from there on count for
// nothing.
void sl_padded_attention(sl_call *call) {
	sl_tensor lengths;
	if (sl_input(call, 2, &lengths))
		self_attention(call, lengths.data, elements(&lengths));
}
