// The part of ONNX Runtime's C API that custom operators need. OrtApi is a table
// of function pointers that only ever grows at its end (onnxruntime_c_api.h,
// "The order of functions must not change"), so that a place in it is a stable
// name; the whole header would be 370 KB here. TestOrtAPI compiles
// testdata/ortapi.c, which holds every number and the layout below to the header
// that the Go binding comes with.
//
// ONNX Runtime is Copyright (c) Microsoft Corporation, MIT licence.
#ifndef SIGHTLINE_ORTAPI_H
#define SIGHTLINE_ORTAPI_H

#include <stddef.h>
#include <stdint.h>

// ORT_VERSION is the API version asked for, that of ONNX Runtime 1.24.
enum { ORT_VERSION = 24 };

enum { ORT_FLOAT = 1, ORT_UINT8 = 2, ORT_INT8 = 3, ORT_INT64 = 7 }; // ONNXTensorElementDataType
enum { ORT_FAIL_CODE = 1, ORT_INVALID_CODE = 2 };       // OrtErrorCode
enum { ORT_REQUIRED = 0, ORT_OPTIONAL = 1 };           // OrtCustomOpInputOutputCharacteristic

typedef struct OrtStatus ort_status;
typedef struct OrtCustomOpDomain ort_domain;
typedef struct OrtSessionOptions ort_session_options;
typedef struct OrtKernelInfo ort_kernel_info;
typedef struct OrtKernelContext ort_context;
typedef struct OrtValue ort_value;
typedef struct OrtTensorTypeAndShapeInfo ort_shape;
typedef struct OrtShapeInferContext ort_infer;

typedef struct ort_op {
	uint32_t version;
	void *(*CreateKernel)(const struct ort_op *op, const void *api, const ort_kernel_info *info);
	const char *(*GetName)(const struct ort_op *op);
	const char *(*GetExecutionProviderType)(const struct ort_op *op);
	int (*GetInputType)(const struct ort_op *op, size_t index);
	size_t (*GetInputTypeCount)(const struct ort_op *op);
	int (*GetOutputType)(const struct ort_op *op, size_t index);
	size_t (*GetOutputTypeCount)(const struct ort_op *op);
	void (*KernelCompute)(void *kernel, ort_context *context);
	void (*KernelDestroy)(void *kernel);
	int (*GetInputCharacteristic)(const struct ort_op *op, size_t index);
	int (*GetOutputCharacteristic)(const struct ort_op *op, size_t index);
	int (*GetInputMemoryType)(const struct ort_op *op, size_t index);
	int (*GetVariadicInputMinArity)(const struct ort_op *op);
	int (*GetVariadicInputHomogeneity)(const struct ort_op *op);
	int (*GetVariadicOutputMinArity)(const struct ort_op *op);
	int (*GetVariadicOutputHomogeneity)(const struct ort_op *op);
	ort_status *(*CreateKernelV2)(const struct ort_op *op, const void *api, const ort_kernel_info *info, void **kernel);
	ort_status *(*KernelComputeV2)(void *kernel, ort_context *context);
	ort_status *(*InferOutputShapeFn)(const struct ort_op *op, ort_infer *context);
	int (*GetStartVersion)(const struct ort_op *op);
	int (*GetEndVersion)(const struct ort_op *op);
	size_t (*GetMayInplace)(int **input, int **output);
	void (*ReleaseMayInplace)(int *input, int *output);
	size_t (*GetAliasMap)(int **input, int **output);
	void (*ReleaseAliasMap)(int *input, int *output);
} ort_op;

// ORT_API_FUNCTIONS lists name, place in OrtApi, result and arguments.
#define ORT_API_FUNCTIONS(X) \
	X(CreateStatus, 0, ort_status *, (int code, const char *message)) \
	X(GetErrorMessage, 2, const char *, (const ort_status *)) \
	X(CreateCustomOpDomain, 26, ort_status *, (const char *name, ort_domain **)) \
	X(CustomOpDomain_Add, 27, ort_status *, (ort_domain *, const ort_op *)) \
	X(AddCustomOpDomain, 28, ort_status *, (ort_session_options *, ort_domain *)) \
	X(GetTensorMutableData, 51, ort_status *, (ort_value *, void **)) \
	X(GetDimensionsCount, 61, ort_status *, (const ort_shape *, size_t *)) \
	X(GetDimensions, 62, ort_status *, (const ort_shape *, int64_t *, size_t)) \
	X(GetTensorTypeAndShape, 65, ort_status *, (const ort_value *, ort_shape **)) \
	X(KernelInfoGetAttribute_float, 85, ort_status *, (const ort_kernel_info *, const char *, float *)) \
	X(KernelInfoGetAttribute_int64, 86, ort_status *, (const ort_kernel_info *, const char *, int64_t *)) \
	X(KernelContext_GetInput, 90, ort_status *, (const ort_context *, size_t, const ort_value **)) \
	X(KernelContext_GetOutput, 91, ort_status *, (ort_context *, size_t, const int64_t *, size_t, ort_value **)) \
	X(ReleaseStatus, 93, void, (ort_status *)) \
	X(ReleaseTensorTypeAndShapeInfo, 99, void, (ort_shape *)) \
	X(ReleaseCustomOpDomain, 101, void, (ort_domain *)) \
	X(KernelInfoGetConstantInput_tensor, 249, ort_status *, (const ort_kernel_info *, size_t, int *, const ort_value **)) \
	X(KernelContext_ParallelFor, 274, ort_status *, (const ort_context *, void (*)(void *, size_t), size_t, size_t, void *))

// ort_api holds them by name.
#define ORT_FIELD(name, place, result, arguments) result(*name) arguments;
typedef struct {
	ORT_API_FUNCTIONS(ORT_FIELD)
} ort_api;
#undef ORT_FIELD

// ort_api_base is OrtApiBase, what OrtGetApiBase returns.
typedef struct {
	void *const *(*GetApi)(uint32_t version);
	const char *(*GetVersionString)(void);
} ort_api_base;

#endif
