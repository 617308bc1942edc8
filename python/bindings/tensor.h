// Tensors of PyTorch as the core wants them, read and made through DLPack's table of C functions: by way of NumPy each
// would take half a microsecond. The table is a type's __dlpack_c_exchange_api__; its layout is fixed for a major
// version.
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

  // Whether it holds floating point numbers of so many bits on the CPU.
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
  int (*view)(void* object, View* view);  // -1 with an error set for what has no memory of its own, and the like
  void* current_stream;
};

// Null, without an error set, unless it is a table of the version known here.
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

// Whether it is C-contiguous and aligned, on the CPU, of T and of three axes; it must be of the table's type.
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

// A new tensor, with `values` where its uninitialised values lie; null with an error set where there is no memory.
// It owns one piece of memory: what DLPack is told, then the values. PyTorch may free it on any thread, and does where
// it makes no tensor of it.
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
