// A kernel that writes where nothing is: the process's CUDA context is dead
// afterwards. nvcc -shared -Xcompiler -fPIC -o libfault.so fault.cu
#include <cuda_runtime.h>

__global__ void wild(int *p) { *p = 1; }

extern "C" int fault(void) {
  wild<<<1, 1>>>((int *)16);
  return (int)cudaDeviceSynchronize(); // not 0: it has happened
}
