// Each binding file has one registration function.
#pragma once

#include <pybind11/pybind11.h>

void register_spec(pybind11::module_& m);
void register_networks(pybind11::module_& m);   // call after register_spec
void register_fast_call(pybind11::module_& m);  // call after register_networks
void register_streams(pybind11::module_& m);    // call after register_fast_call
void register_pools(pybind11::module_& m);      // call after register_fast_call
void register_tensor(pybind11::module_& m);
