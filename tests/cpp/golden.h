// Reads the golden networks: weights, inputs and results that were recorded from PyTorch. Format:
// tests/golden/README.md.
#pragma once

#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "reference.h"

namespace golden {

using reference::Problem;

struct Golden {
  std::map<std::string, std::string> options;
  std::vector<std::string> names;                     // in the order of the file
  std::map<std::string, std::vector<double>> arrays;  // float32 values are converted to double
  std::map<std::string, std::vector<std::int64_t>> shapes;
};

inline std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(GATECELL_GOLDEN_DIR)) {
    if (entry.path().extension() == ".golden") paths.push_back(entry.path());
  }
  return paths;
}

template <class T>
std::vector<double> read_array(std::istream& file, std::size_t count) {
  std::vector<T> raw(count);
  file.read(reinterpret_cast<char*>(raw.data()), static_cast<std::streamsize>(count * sizeof(T)));
  return {raw.begin(), raw.end()};
}

inline Golden read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string line;
  if (!std::getline(file, line) || line != "gatecell golden 1") throw std::runtime_error("not a golden file");
  Golden result;
  std::map<std::string, std::string> types;
  while (std::getline(file, line) && line != "data") {
    std::istringstream words(line);
    std::string kind, name;
    words >> kind >> name;
    if (kind == "option") {
      words >> result.options[name];
    } else {
      result.names.push_back(name);
      words >> types[name];
      for (std::int64_t size; words >> size;) result.shapes[name].push_back(size);
    }
  }
  for (const std::string& name : result.names) {
    std::size_t count = 1;
    for (const std::int64_t size : result.shapes[name]) count *= static_cast<std::size_t>(size);
    result.arrays[name] = types[name] == "float32" ? read_array<float>(file, count) : read_array<double>(file, count);
  }
  if (!file) throw std::runtime_error("golden file ends early");
  return result;
}

// The network and its inputs, converted to T.
template <class T>
Problem<T> problem(const Golden& golden) {
  const auto number = [&](const char* name) { return std::stoll(golden.options.at(name)); };
  const auto array = [&](const std::string& name) {
    const auto found = golden.arrays.find(name);
    return found == golden.arrays.end() ? std::vector<T>() : std::vector<T>(found->second.begin(), found->second.end());
  };
  Problem<T> result;
  std::string cell = golden.options.at("mode");  // "RNN_TANH"
  for (char& letter : cell) letter = static_cast<char>(std::tolower(letter));
  result.spec.cell = gatecell::parse_cell(cell);
  result.spec.input_size = number("input_size");
  result.spec.hidden_size = number("hidden_size");
  result.spec.num_layers = number("num_layers");
  result.spec.bias = number("bias") != 0;
  result.spec.bidirectional = number("bidirectional") != 0;
  result.spec.proj_size = number("proj_size");
  result.steps = golden.shapes.at("x")[0];
  result.rows = golden.shapes.at("x")[1];
  for (const std::string& name : golden.names) {
    if (name.rfind("weight_", 0) == 0 || name.rfind("bias_", 0) == 0) result.weights.push_back(array(name));
  }
  result.x = array("x");
  result.h_0 = array("h_0");
  result.c_0 = array("c_0");
  return result;
}

// PyTorch's result: in float64 for the suffix "", in float32 for "_float32".
inline reference::Output<double> output(const Golden& golden, const std::string& suffix) {
  const auto c_n = golden.arrays.find("c_n" + suffix);
  return {golden.arrays.at("y" + suffix), golden.arrays.at("h_n" + suffix),
          c_n == golden.arrays.end() ? std::vector<double>() : c_n->second};
}

}  // namespace golden
