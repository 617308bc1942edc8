// Compiled twice: what check_type_names.cmake must find. SAME_REGISTERED stands for a registration by pybind11.
#include <typeinfo>

namespace pybind11 {
template <class T>
struct class_ {
  static const char* dealloc() { return typeid(T).name(); }
};
}  // namespace pybind11

namespace {
template <class T>
struct Session {
  T value;
};
}  // namespace

#ifdef SAME_REGISTERED
const char* (*SAME_FUNCTION())() { return pybind11::class_<Session<float>>::dealloc; }
#else
const char* SAME_FUNCTION() { return typeid(Session<float>).name(); }
#endif
