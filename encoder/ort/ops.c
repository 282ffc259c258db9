//go:build cgo && !windows

#include "ops.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *op_name(const ort_op *op) { return ((const sl_op *)op)->name; }
static const char *cpu(const ort_op *op) { (void)op; return NULL; } // NULL is the CPU provider
static int input_type(const ort_op *op, size_t i) { return ((const sl_op *)op)->inputs[i]; }
static int output_type(const ort_op *op, size_t i) { return ((const sl_op *)op)->outputs[i]; }
static int zero(const ort_op *op) { (void)op; return 0; }
static int one(const ort_op *op) { (void)op; return 1; }
static int latest(const ort_op *op) { (void)op; return 1 << 30; }
static int memory_type(const ort_op *op, size_t i) { (void)op; (void)i; return 0; } // OrtMemTypeDefault
static int required(const ort_op *op, size_t i) { (void)op; (void)i; return ORT_REQUIRED; }

static void destroy(void *kernel) {
	sl_node *n = kernel;
	for (size_t i = 0; i < n->count; i++)
		sl_weights_free(&n->weights[i]);
	free(n->weights);
	free(n);
}

static size_t count(const int *types) {
	size_t n = 0;
	while (types[n] != 0)
		n++;
	return n;
}

static size_t input_count(const ort_op *op) { return count(((const sl_op *)op)->inputs); }
static size_t output_count(const ort_op *op) { return count(((const sl_op *)op)->outputs); }

static bool ok(sl_call *call, ort_status *status);

static void attributes(const ort_api *api, const ort_kernel_info *info, sl_node *n) {
	ort_status *absent[] = {
		api->KernelInfoGetAttribute_int64(info, "shared", &n->shared),
		api->KernelInfoGetAttribute_int64(info, "first", &n->first),
		api->KernelInfoGetAttribute_int64(info, "tokens", &n->tokens),
		api->KernelInfoGetAttribute_float(info, "epsilon", &n->epsilon),
	};
	for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
		if (absent[i] != NULL)
			api->ReleaseStatus(absent[i]);
	}
}

static ort_status *create(const ort_op *base, const void *table, const ort_kernel_info *info, void **kernel) {
	(void)table;
	const sl_op *op = (const sl_op *)base;
	const ort_api *api = &op->domain->api;
	sl_node *n = calloc(1, sizeof *n);
	if (n == NULL)
		return api->CreateStatus(ORT_FAIL_CODE, "no memory");
	n->op = op;
	attributes(api, info, n);
	sl_call call = {.node = n, .api = api, .info = info};
	if (op->prepare != NULL)
		op->prepare(&call);
	if (call.failed != NULL)
		destroy(n);
	else
		*kernel = n;
	return call.failed;
}

static ort_status *compute(void *kernel, ort_context *context) {
	sl_node *n = kernel;
	sl_call call = {.node = n, .api = &n->op->domain->api, .context = context};
	n->op->compute(&call);
	return call.failed;
}

static const ort_op base = {
	.version = ORT_VERSION,
	.GetName = op_name,
	.GetExecutionProviderType = cpu,
	.GetInputType = input_type,
	.GetInputTypeCount = input_count,
	.GetOutputType = output_type,
	.GetOutputTypeCount = output_count,
	.KernelDestroy = destroy,
	.GetInputCharacteristic = required,
	.GetOutputCharacteristic = required,
	.GetInputMemoryType = memory_type,
	.GetVariadicInputMinArity = zero,
	.GetVariadicInputHomogeneity = zero,
	.GetVariadicOutputMinArity = zero,
	.GetVariadicOutputHomogeneity = zero,
	.CreateKernelV2 = create,
	.KernelComputeV2 = compute,
	.GetStartVersion = one,
	.GetEndVersion = latest,
};

// catalogue lists all operators; one without a name ends it.
static const sl_op catalogue[] = {
	{.name = "PackStates", .compute = sl_pack_states, .inputs = {ORT_INT8}, .outputs = {ORT_UINT8}},
	{.name = "CrossAttention", .compute = sl_cross_attention,
	 .inputs = {ORT_FLOAT, ORT_INT8, ORT_UINT8, ORT_FLOAT}, .outputs = {ORT_FLOAT}},
	{.name = "CrossAttentionInt8", .prepare = sl_cross_int8_prepare, .compute = sl_cross_int8,
	 .inputs = {ORT_FLOAT, ORT_INT8, ORT_UINT8, ORT_FLOAT, ORT_INT8, ORT_FLOAT, ORT_FLOAT, ORT_INT8, ORT_INT8, ORT_FLOAT, ORT_FLOAT},
	 .outputs = {ORT_FLOAT}},
	{.name = "Linear", .prepare = sl_linear_prepare, .compute = sl_linear_run,
	 .inputs = {ORT_FLOAT, ORT_INT8, ORT_FLOAT, ORT_FLOAT}, .outputs = {ORT_FLOAT}},
	{.name = "NormLinear", .prepare = sl_linear_prepare, .compute = sl_norm_linear,
	 .inputs = {ORT_FLOAT, ORT_INT8, ORT_FLOAT, ORT_FLOAT, ORT_FLOAT, ORT_FLOAT}, .outputs = {ORT_FLOAT}},
	{.name = "LinearAdd", .prepare = sl_linear_prepare, .compute = sl_linear_add,
	 .inputs = {ORT_FLOAT, ORT_INT8, ORT_FLOAT, ORT_FLOAT, ORT_FLOAT}, .outputs = {ORT_FLOAT}},
	{.name = "LinearNorm", .prepare = sl_linear_prepare, .compute = sl_linear_norm,
	 .inputs = {ORT_FLOAT, ORT_INT8, ORT_FLOAT, ORT_FLOAT, ORT_FLOAT, ORT_FLOAT, ORT_FLOAT}, .outputs = {ORT_FLOAT}},
	{.name = "Mlp", .prepare = sl_mlp_prepare, .compute = sl_mlp_run,
	 .inputs = {ORT_FLOAT, ORT_INT8, ORT_FLOAT, ORT_FLOAT, ORT_INT8, ORT_FLOAT, ORT_FLOAT, ORT_FLOAT, ORT_FLOAT}, .outputs = {ORT_FLOAT}},
	{.name = "NormMlp", .prepare = sl_mlp_prepare, .compute = sl_norm_mlp,
	 .inputs = {ORT_FLOAT, ORT_INT8, ORT_FLOAT, ORT_FLOAT, ORT_INT8, ORT_FLOAT, ORT_FLOAT, ORT_FLOAT, ORT_FLOAT}, .outputs = {ORT_FLOAT}},
	{.name = "PictureAttention", .compute = sl_picture_attention, .inputs = {ORT_FLOAT}, .outputs = {ORT_FLOAT}},
	{.name = "PaddedAttention", .compute = sl_padded_attention, .inputs = {ORT_FLOAT, ORT_INT64, ORT_INT64}, .outputs = {ORT_FLOAT}},
	{.name = "SelfAttention", .compute = sl_self_attention, .inputs = {ORT_FLOAT, ORT_INT64}, .outputs = {ORT_FLOAT}},
	{.name = NULL},
};

bool sl_refuse(sl_call *call, const char *message) {
	if (call->failed == NULL) {
		char text[256];
		snprintf(text, sizeof text, "sightline %s: %s", call->node->op->name, message);
		call->failed = call->api->CreateStatus(ORT_INVALID_CODE, text);
	}
	return false;
}

// ok keeps the first error.
static bool ok(sl_call *call, ort_status *status) {
	if (status == NULL)
		return call->failed == NULL;
	if (call->failed == NULL)
		call->failed = status;
	else
		call->api->ReleaseStatus(status);
	return false;
}

static bool shape_of(sl_call *call, const ort_value *value, sl_tensor *t) {
	const ort_api *api = call->api;
	ort_shape *shape = NULL;
	if (!ok(call, api->GetTensorTypeAndShape(value, &shape)))
		return false;
	bool fine = ok(call, api->GetDimensionsCount(shape, &t->rank));
	if (fine && t->rank > 4)
		fine = sl_refuse(call, "an input has more than 4 dimensions");
	fine = fine && ok(call, api->GetDimensions(shape, t->dims, t->rank));
	api->ReleaseTensorTypeAndShapeInfo(shape);
	return fine;
}

bool sl_input(sl_call *call, size_t index, sl_tensor *t) {
	const ort_value *value = NULL;
	*t = (sl_tensor){0};
	if (!ok(call, call->api->KernelContext_GetInput(call->context, index, &value)))
		return false;
	if (value == NULL)
		return sl_refuse(call, "an input is missing");
	// The API has one way to a tensor's memory, for those that are written too.
	return shape_of(call, value, t) && ok(call, call->api->GetTensorMutableData((ort_value *)value, &t->data));
}

bool sl_constant(sl_call *call, size_t index, sl_tensor *t) {
	const ort_value *value = NULL;
	int constant = 0;
	*t = (sl_tensor){0};
	if (!ok(call, call->api->KernelInfoGetConstantInput_tensor(call->info, index, &constant, &value)))
		return false;
	if (!constant || value == NULL)
		return sl_refuse(call, "a weight is not part of the graph");
	return shape_of(call, value, t) && ok(call, call->api->GetTensorMutableData((ort_value *)value, &t->data));
}

bool sl_output(sl_call *call, size_t index, sl_tensor *t) {
	ort_value *value = NULL;
	return ok(call, call->api->KernelContext_GetOutput(call->context, index, t->dims, t->rank, &value)) &&
	       ok(call, call->api->GetTensorMutableData(value, &t->data));
}

bool sl_parallel(sl_call *call, void (*job)(void *, size_t), size_t n, void *data) {
	if (n == 1 || call->node->op->domain->threads == 1) {
		for (size_t i = 0; i < n; i++)
			job(data, i);
		return call->failed == NULL;
	}
	return n == 0 || ok(call, call->api->KernelContext_ParallelFor(call->context, job, n, 0, data));
}

// Memory of this size comes from the system page by page, and touching new pages
// costs as much as what is computed in them; so a buffer is kept. There are never
// more than threads that run at the same time.
enum { HEADER = 64 };

void *sl_take(sl_domain *domain, size_t size) {
	pthread_mutex_lock(&domain->lock);
	sl_buffer *b = domain->buffers;
	if (b != NULL)
		domain->buffers = b->next;
	pthread_mutex_unlock(&domain->lock);
	if (b != NULL && b->size >= size)
		return (char *)b + HEADER;
	free(b);
	size = (size + 4095) / 4096 * 4096; // so that sizes that grow a little ask less often
	void *memory = NULL;
	if (posix_memalign(&memory, HEADER, HEADER + size) != 0)
		return NULL;
	b = memory;
	b->size = size;
	return (char *)b + HEADER;
}

void sl_give(sl_domain *domain, void *memory) {
	sl_buffer *b = (sl_buffer *)((char *)memory - HEADER);
	pthread_mutex_lock(&domain->lock);
	b->next = domain->buffers;
	domain->buffers = b;
	pthread_mutex_unlock(&domain->lock);
}

// fail tells and frees a status; false where there was none.
static bool fail(const ort_api *api, ort_status *status, char *why, size_t size) {
	if (status == NULL)
		return false;
	snprintf(why, size, "%s", api->GetErrorMessage(status));
	api->ReleaseStatus(status);
	return true;
}

// api_of fills api from the library at path. RTLD_NOLOAD: another library than
// the one that sessions come from would be of no use.
static bool api_of(const char *path, ort_api *api, char *why, size_t size) {
	void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	if (library == NULL) {
		snprintf(why, size, "%s is not the library in use", path);
		return false;
	}
	// The pointer stays good: the binding holds the library until the process ends.
	void *symbol = dlsym(library, "OrtGetApiBase");
	dlclose(library);
	const ort_api_base *(*get)(void);
	memcpy(&get, &symbol, sizeof get);
	void *const *table = get == NULL ? NULL : get()->GetApi(ORT_VERSION);
	if (table == NULL) {
		snprintf(why, size, "%s does not offer version %d of its API", path, ORT_VERSION);
		return false;
	}
#define TAKE(name, place, result, arguments) memcpy(&api->name, &table[place], sizeof api->name);
	ORT_API_FUNCTIONS(TAKE)
#undef TAKE
	return true;
}

static bool add_all(sl_domain *d, char *why, size_t size) {
	size_t n = sizeof catalogue / sizeof catalogue[0] - 1;
	d->ops = malloc(sizeof catalogue);
	if (d->ops == NULL) {
		snprintf(why, size, "no memory");
		return false;
	}
	memcpy(d->ops, catalogue, sizeof catalogue);
	if (fail(&d->api, d->api.CreateCustomOpDomain("sightline", &d->handle), why, size))
		return false;
	for (size_t i = 0; i < n; i++) {
		d->ops[i].base = base;
		d->ops[i].domain = d;
		if (fail(&d->api, d->api.CustomOpDomain_Add(d->handle, &d->ops[i].base), why, size))
			return false;
	}
	return true;
}

sl_domain *sl_open(const char *path, const sl_functions *functions, const char *level, int threads, char *why, size_t size) {
	sl_domain *d = calloc(1, sizeof *d);
	if (d == NULL) {
		snprintf(why, size, "no memory");
		return NULL;
	}
	d->functions = *functions;
	d->gemm = sl_gemm_of(level);
	d->passes = sl_passes_of(level);
	d->viewing = sl_viewing_of(level);
	d->threads = threads;
	pthread_mutex_init(&d->lock, NULL);
	if (api_of(path, &d->api, why, size) && add_all(d, why, size))
		return d;
	sl_close(d);
	return NULL;
}

bool sl_register(sl_domain *domain, void *options, char *why, size_t size) {
	return !fail(&domain->api, domain->api.AddCustomOpDomain(options, domain->handle), why, size);
}

void sl_close(sl_domain *domain) {
	if (domain->handle != NULL)
		domain->api.ReleaseCustomOpDomain(domain->handle);
	while (domain->buffers != NULL) {
		sl_buffer *b = domain->buffers;
		domain->buffers = b->next;
		free(b);
	}
	pthread_mutex_destroy(&domain->lock);
	free(domain->ops);
	free(domain);
}
