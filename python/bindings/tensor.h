// Reads and creates PyTorch tensors through DLPack's table of C functions. Through NumPy each tensor would take half a
// microsecond. The table is the attribute __dlpack_c_exchange_api__ of the tensor type. Its layout is fixed for each
// major version.
#pragma once

#include <Python.h>

#include <cstdint>
#include <new>

namespace tensor {

struct View {  // DLPack's DLTensor
  void* data;
  std::int32_t device_type, device_id;
  std::int32_t axes;
  std::uint8_t type_code, type_bits;
  std::uint16_t type_lanes;
  std::int64_t *shape, *strides;
  std::uint64_t byte_offset;

  // Whether the tensor holds floating-point numbers with this number of bits, on the CPU.
  bool is_floating(int bits) const {
    return device_type == 1 && type_code == 2 && type_bits == bits && type_lanes == 1;
  }
};

struct Managed {  // DLPack's DLManagedTensorVersioned
  std::uint32_t major, minor;
  void* context;
  void (*deleter)(Managed*);
  std::uint64_t flags;
  View tensor;
};

struct Table {  // DLPack's DLPackExchangeAPI
  std::uint32_t major, minor;
  void *older_table, *allocate, *export_tensor;
  int (*import_tensor)(Managed* tensor, void** object);
  int (*view)(void* object, View* view);  // -1 with an error set, for example for a tensor without memory
  void* current_stream;
};

// The table in a capsule; null, without an error set, if it is not a table of version 1.
inline const Table* table(PyObject* capsule) {
  const char* name = "dlpack_exchange_api";
  if (!PyCapsule_IsValid(capsule, name)) return nullptr;
  const auto* found = static_cast<const Table*>(PyCapsule_GetPointer(capsule, name));
  return found->major == 1 && found->view && found->import_tensor ? found : nullptr;
}

inline bool is_contiguous(const View& view) {
  std::int64_t stride = 1;
  for (int axis = view.axes - 1; axis >= 0; stride *= view.shape[axis--]) {
    if (view.strides && view.shape[axis] > 1 && view.strides[axis] != stride) return false;
  }
  return true;
}

// Gets the view of a tensor, which must be of the type that has the table. Returns whether the tensor is on the CPU,
// C-contiguous and aligned, and has three axes and elements of type T.
template <class T>
bool view(const Table& table, PyObject* object, View& view) {
  if (table.view(object, &view) != 0) {
    PyErr_Clear();
    return false;
  }
  if (view.axes != 3 || !view.is_floating(8 * sizeof(T)) || !view.data) return false;
  view.data = static_cast<char*>(view.data) + view.byte_offset;
  return is_contiguous(view) && reinterpret_cast<std::uintptr_t>(view.data) % alignof(T) == 0;
}

// Creates a tensor and sets `values` to the address of its uninitialised values. Returns null with an error set if
// there is no memory. The tensor owns one allocation: the description for DLPack, then the values. PyTorch may free it
// on any thread. It also frees it if it cannot make a tensor of it.
template <class T>
PyObject* make(const Table& table, const Py_intptr_t (&shape)[3], T*& values) {
  struct alignas(64) Head {
    Managed managed;
    std::int64_t shape[3], strides[3];
    void* memory;
  };
  const auto count = static_cast<std::size_t>(shape[0] * shape[1] * shape[2]);
  void* memory = PyMem_RawMalloc(sizeof(Head) + alignof(Head) + count * sizeof(T));
  if (!memory) return PyErr_NoMemory();
  const auto address = reinterpret_cast<std::uintptr_t>(memory) + alignof(Head);
  auto* head = new (reinterpret_cast<void*>(address - address % alignof(Head)))
      Head{{}, {shape[0], shape[1], shape[2]}, {shape[1] * shape[2], shape[2], 1}, memory};
  values = reinterpret_cast<T*>(head + 1);
  head->managed = {1,    0,
                   head, [](Managed* self) { PyMem_RawFree(static_cast<Head*>(self->context)->memory); },
                   0,    {values, 1, 0, 3, 2, 8 * sizeof(T), 1, head->shape, head->strides, 0}};
  void* object = nullptr;
  return table.import_tensor(&head->managed, &object) == 0 ? static_cast<PyObject*>(object) : nullptr;
}

}  // namespace tensor
