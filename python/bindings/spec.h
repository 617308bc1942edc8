// The names of weights in a state dict of torch.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>

#include "gatecell/spec.h"

namespace spec_names {

// What follows the name of a weight: "_l0" for the forward direction of the first layer, or "_l0_reverse".
inline std::string suffix(std::int64_t layer, int direction) {
  return "_l" + std::to_string(layer) + (direction ? "_reverse" : "");
}

}  // namespace spec_names
