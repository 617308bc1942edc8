# Fails if a type in an anonymous namespace is registered with pybind11, or has the same name as such a type in another
# object. pybind11 identifies types by their names. With GCC, types of anonymous namespaces in different files differ.
# With Clang they are the same type: the second one cannot be registered, or is used as the first. OBJECTS are separated
# by |.
string(REPLACE "|" ";" OBJECTS "${OBJECTS}")
if(NOT OBJECTS)
  message(FATAL_ERROR "no objects to check")
endif()

set(faults "")
set(seen "")
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} --demangle ${object} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "pybind11::class_<\\(anonymous namespace\\)::[A-Za-z0-9_:]+" registered "${symbols}")
  list(REMOVE_DUPLICATES registered)
  foreach(type IN LISTS registered)
    list(APPEND faults "${object} registers ${type}")
  endforeach()
  string(REGEX MATCHALL "typeinfo name for \\(anonymous namespace\\)::[^(\n]+\n" types "${symbols}")
  list(TRANSFORM types STRIP)
  list(REMOVE_DUPLICATES types)
  foreach(type IN LISTS types)
    if(type IN_LIST seen)
      list(APPEND faults "${object} is not the only one with a ${type}")
    endif()
  endforeach()
  list(APPEND seen ${types})
endforeach()

if(faults)
  list(JOIN faults "\n  " text)
  message(FATAL_ERROR "Types that are the same type for Clang:\n  ${text}")
endif()
