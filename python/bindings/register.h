// One registration function per binding file.
#pragma once

#include <pybind11/pybind11.h>

void register_networks(pybind11::module_& m);
void register_fast_call(pybind11::module_& m);  // after the networks
void register_streams(pybind11::module_& m);    // after the fast call
void register_pools(pybind11::module_& m);      // after the fast call
void register_tensor(pybind11::module_& m);
