// Package checkpoint reads the tensors of a trained model from the two
// containers its weights are published in:
//
//   - safetensors: an 8-byte length, a JSON header, raw little-endian bytes;
//   - what torch.save has written since PyTorch 1.6 (pytorch_model.bin, .pth):
//     a zip holding one pickle and one entry a storage.
//
// A pickle is a program. Nothing of it is executed here: a small machine with
// an allow-list of globals rebuilds tensors and plain containers, and refuses
// everything else by name. Every length, offset and shape is checked against
// the file before it is used, so a hostile or damaged file gives an error that
// names the file and the tensor, never a crash or an unbounded allocation.
//
// The file is memory-mapped where the system allows it, and pages are given
// back as they are streamed, so converting a checkpoint of several gigabytes
// takes about a megabyte of memory.
package checkpoint
