// Compiled, not run, by TestOrtAPI: ortapi.h against ONNX Runtime's own header.
#include "onnxruntime_c_api.h"

#include "../ortapi.h"

#define PLACE(name, place, result, arguments) \
	_Static_assert(offsetof(OrtApi, name) == place * sizeof(void *), #name " is at another place");
ORT_API_FUNCTIONS(PLACE)

#define FIELD(name) _Static_assert(offsetof(OrtCustomOp, name) == offsetof(ort_op, name), #name " is at another place");
FIELD(version)
FIELD(CreateKernel)
FIELD(GetName)
FIELD(GetExecutionProviderType)
FIELD(GetInputType)
FIELD(GetInputTypeCount)
FIELD(GetOutputType)
FIELD(GetOutputTypeCount)
FIELD(KernelCompute)
FIELD(KernelDestroy)
FIELD(GetInputCharacteristic)
FIELD(GetOutputCharacteristic)
FIELD(GetInputMemoryType)
FIELD(GetVariadicInputMinArity)
FIELD(GetVariadicInputHomogeneity)
FIELD(GetVariadicOutputMinArity)
FIELD(GetVariadicOutputHomogeneity)
FIELD(CreateKernelV2)
FIELD(KernelComputeV2)
FIELD(InferOutputShapeFn)
FIELD(GetStartVersion)
FIELD(GetEndVersion)
FIELD(GetMayInplace)
FIELD(ReleaseMayInplace)
FIELD(GetAliasMap)
FIELD(ReleaseAliasMap)
_Static_assert(sizeof(OrtCustomOp) == sizeof(ort_op), "OrtCustomOp has grown");

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #theirs " is another number");
SAME(ORT_VERSION, ORT_API_VERSION)
SAME(ORT_FLOAT, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
SAME(ORT_UINT8, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8)
SAME(ORT_INT8, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8)
SAME(ORT_INT64, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64)
SAME(ORT_FAIL_CODE, ORT_FAIL)
SAME(ORT_INVALID_CODE, ORT_INVALID_ARGUMENT)
SAME(ORT_REQUIRED, INPUT_OUTPUT_REQUIRED)
SAME(ORT_OPTIONAL, INPUT_OUTPUT_OPTIONAL)
