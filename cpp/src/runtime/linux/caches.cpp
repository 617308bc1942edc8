// Reads the description of the caches that Linux gives in /sys.
#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "runtime/system.h"

namespace gatecell::system {
namespace {

// The first line of a file; empty if it cannot be read.
std::string read(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

// "32K", "1024K" or "32M" in bytes; 0 if this is no size.
std::int64_t parse_size(const std::string& text) {
  std::istringstream stream(text);
  std::int64_t size = 0;
  char unit = 0;
  stream >> size >> unit;
  return std::max<std::int64_t>(size, 0) * (unit == 'M' ? 1 << 20 : unit == 'K' ? 1 << 10 : 1);
}

constexpr std::int64_t kMostCpus = 1 << 16;  // far more than Linux supports

// The number of CPUs in a list such as "0-3,8"; at least 1.
int count_cpus(const std::string& list) {
  std::istringstream stream(list);
  std::int64_t count = 0, first = 0;
  while (stream >> first) {
    std::int64_t last = first;
    if (stream.peek() == '-') stream.ignore() >> last;
    count += std::clamp<std::int64_t>(last - first + 1, 0, kMostCpus);
    stream.ignore();  // the comma
  }
  return static_cast<int>(std::clamp<std::int64_t>(count, 1, kMostCpus));
}

}  // namespace

Caches caches(const std::string& root, int cpu) {
  const std::string folder = root + "/sys/devices/system/cpu/cpu" + std::to_string(cpu);
  const int threads = count_cpus(read(folder + "/topology/thread_siblings_list"));
  Caches found;
  for (int index = 0;; ++index) {
    const std::string cache = folder + "/cache/index" + std::to_string(index);
    const std::string level = read(cache + "/level");
    if (level.empty()) return found;
    if (read(cache + "/type") == "Instruction") continue;
    const std::int64_t size = parse_size(read(cache + "/size"));
    const int cores = std::max(count_cpus(read(cache + "/shared_cpu_list")) / threads, 1);
    if (level == "1") found.l1 = size;
    if (level == "2") found.l2 = size, found.l2_cores = cores;
    if (level == "3") found.l3 = size, found.l3_cores = cores;
  }
}

}  // namespace gatecell::system
