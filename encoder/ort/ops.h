// Sightline's own operators for ONNX Runtime's CPU provider, domain "sightline".
#ifndef SIGHTLINE_OPS_H
#define SIGHTLINE_OPS_H

#include <stdbool.h>
#include <pthread.h>

#include "kernel/attend.h"
#include "ops_linear.h"
#include "ortapi.h"

// sl_functions are those of package kernel. One cgo package cannot link to the
// C of another, so Go hands the pointers over.
typedef struct {
	size_t (*packed_size)(int tokens, int width);
	size_t (*scratch_size)(int rows, int tokens, int width);
	void (*pack)(const int8_t *states, int tokens, int width, uint8_t *packed);
	void (*attend)(const sl_attention *a);
} sl_functions;

typedef struct sl_domain sl_domain;
typedef struct sl_op sl_op;

// sl_node is a node of a loaded graph. Attributes that it lacks are 0.
typedef struct {
	const sl_op *op;
	int64_t shared, first, tokens;
	float epsilon;
	sl_weights *weights; // what op->prepare packed, count of them
	size_t count;
} sl_node;

// sl_call is one run of a node, or its making.
typedef struct {
	sl_node *node;
	const ort_api *api;
	ort_context *context;
	const ort_kernel_info *info; // while it is made
	ort_status *failed;          // the first error
} sl_call;

typedef void sl_compute(sl_call *call);

// sl_op describes an operator. types are of inputs and outputs, 0 ends them.
// base is first, so that ONNX Runtime's pointer to it is one to sl_op.
struct sl_op {
	ort_op base;
	sl_domain *domain;
	const char *name;
	sl_compute *prepare; // when the node is made; NULL: nothing to do
	sl_compute *compute;
	int inputs[12];
	int outputs[4];
};

// sl_buffer is scratch memory of one thread, kept for the next that needs some.
typedef struct sl_buffer {
	struct sl_buffer *next;
	size_t size;
} sl_buffer;

struct sl_domain {
	ort_api api;
	ort_domain *handle;
	sl_functions functions;
	const sl_gemm *gemm;
	const sl_passes *passes;
	const sl_viewing *viewing;
	int threads;
	sl_op *ops;
	pthread_mutex_t lock; // of buffers
	sl_buffer *buffers;
};

// sl_tensor is an input or output.
typedef struct {
	void *data;
	size_t rank;
	int64_t dims[4];
} sl_tensor;

// sl_input and sl_output return false once the call has failed. An output's dims
// and rank are the caller's; its data is made.
bool sl_input(sl_call *call, size_t index, sl_tensor *t);
bool sl_output(sl_call *call, size_t index, sl_tensor *t);

// sl_constant reads an input that the graph holds itself, while a node is made.
bool sl_constant(sl_call *call, size_t index, sl_tensor *t);
bool sl_refuse(sl_call *call, const char *message);

// sl_matrix reads a constant int8 weight [in,out]; sl_vector an input of n floats.
bool sl_matrix(sl_call *call, size_t index, sl_tensor *w);
bool sl_vector(sl_call *call, size_t index, int64_t n, const float **data);

// sl_part is a weight [k,n] inside another; see sl_weights_pack.
typedef struct {
	const int8_t *source;
	size_t row, column;
	int64_t k, n;
} sl_part;

// sl_room makes room for that many packed weights of a node, sl_pack_part fills one.
bool sl_room(sl_call *call, size_t count);
bool sl_pack_part(sl_call *call, size_t index, sl_part p);

// sl_parallel calls job(data, i) for i below n on ONNX Runtime's own threads, in
// any order.
bool sl_parallel(sl_call *call, void (*job)(void *, size_t), size_t n, void *data);

// sl_take returns at least size bytes, 64-aligned, or NULL; sl_give takes them back.
void *sl_take(sl_domain *domain, size_t size);
void sl_give(sl_domain *domain, void *memory);

// The operators, in ops_attention.c, ops_layer.c and ops_picture.c.
sl_compute sl_pack_states, sl_cross_attention, sl_cross_int8_prepare, sl_cross_int8;
sl_compute sl_linear_prepare, sl_linear_run, sl_norm_linear, sl_linear_add, sl_linear_norm;
sl_compute sl_mlp_prepare, sl_mlp_run, sl_norm_mlp, sl_self_attention, sl_padded_attention, sl_picture_attention;

// sl_open makes the domain of the ONNX Runtime library at path, which is loaded
// already, for the processor level of sl_instructions. NULL is an error, told in why.
sl_domain *sl_open(const char *path, const sl_functions *functions, const char *level, int threads, char *why, size_t size);

// sl_register adds the domain to session options; false is an error, told in why.
bool sl_register(sl_domain *domain, void *options, char *why, size_t size);

// sl_close frees the domain. No session may use it any more.
void sl_close(sl_domain *domain);

#endif
