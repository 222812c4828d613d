/* What cuDNN asks of libcuda before it builds a plan for a described device. The signatures do not matter: no header
   is included, the results alone are looked at. */
#define ACCEPT(name)                                                                                                   \
  int name(void) { return 0; }
#define GIVE(name)                                                                                                     \
  int name(void **object) { return *object = (void *)1, 0; }
#define REFUSE(name)                                                                                                   \
  int name(void) { return 801; /* CUDA_ERROR_NOT_SUPPORTED */ }

GIVE(cuLibraryGetKernel)
GIVE(cuLibraryLoadData)
GIVE(cuLibraryLoadFromFile)
ACCEPT(cuKernelGetAttribute)
ACCEPT(cuKernelSetAttribute)
ACCEPT(cuLibraryUnload)
ACCEPT(cuModuleLoadData)
ACCEPT(cuModuleLoadFatBinary)
REFUSE(cuCtxGetCurrent)
REFUSE(cuCtxGetDevice)
REFUSE(cuCtxGetLimit)
REFUSE(cuCtxPopCurrent)
REFUSE(cuCtxPushCurrent)
REFUSE(cuDevicePrimaryCtxRelease)
REFUSE(cuDevicePrimaryCtxReset)
REFUSE(cuFuncGetAttribute)
REFUSE(cuGetExportTable)
REFUSE(cuLaunchCooperativeKernel)
REFUSE(cuLaunchKernelEx)
REFUSE(cuLinkAddData)
REFUSE(cuLinkAddData_v2)
REFUSE(cuLinkAddFile_v2)
REFUSE(cuLinkComplete)
REFUSE(cuLinkCreate)
REFUSE(cuLinkCreate_v2)
REFUSE(cuLinkDestroy)
REFUSE(cuMemcpyDtoH_v2)
REFUSE(cuModuleGetGlobal_v2)
REFUSE(cuOccupancyMaxActiveBlocksPerMultiprocessor)
REFUSE(cuOccupancyMaxPotentialClusterSize)
REFUSE(cuStreamGetCtx)
REFUSE(cuTensorMapEncodeTiled)
