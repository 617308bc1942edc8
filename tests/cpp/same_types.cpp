// Types that check_type_names.cmake must find. The file is compiled twice without SAME_REGISTERED, so that two objects
// have a type of the same name. With SAME_REGISTERED it contains what a registration by pybind11 would leave in the
// object.
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
