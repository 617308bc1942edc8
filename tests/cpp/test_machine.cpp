// What the library knows of a machine: its caches as Linux describes them, the rates of its cores, and the plans that
// follow from them. The machines are pretended.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include "pack/packed.h"
#include "problems.h"
#include "runtime/instruction_sets.h"
#include "runtime/machine.h"
#include "runtime/test_hooks.h"
#include "schedule/cost.h"
#include "schedule/plan.h"

using namespace problems;
using gatecell::Limit;
using gatecell::PackedNetwork;
using gatecell::Plan;
using gatecell::Processor;
using gatecell::system::Caches;

namespace {

namespace fs = std::filesystem;

// A folder with the files of one CPU below sys/devices/system/cpu. Deleted at the end.
class Files {
 public:
  Files(int cpu, const std::map<std::string, std::string>& files)
      : root_(fs::temp_directory_path() / "gatecell-XXXXXX") {
    root_ += std::to_string(reinterpret_cast<std::uintptr_t>(this));
    for (const auto& [name, text] : files) {
      const fs::path path = root_ / "sys/devices/system/cpu" / ("cpu" + std::to_string(cpu)) / name;
      fs::create_directories(path.parent_path());
      std::ofstream(path) << text << "\n";
    }
  }
  ~Files() { fs::remove_all(root_); }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  std::string root() const { return root_.string(); }

 private:
  fs::path root_;
};

std::map<std::string, std::string> cache(int index, const std::string& level, const std::string& type,
                                         const std::string& size, const std::string& shared) {
  const std::string folder = "cache/index" + std::to_string(index) + "/";
  return {{folder + "level", level},
          {folder + "type", type},
          {folder + "size", size},
          {folder + "shared_cpu_list", shared}};
}

std::map<std::string, std::string> merged(std::initializer_list<std::map<std::string, std::string>> parts) {
  std::map<std::string, std::string> all;
  for (const auto& part : parts) all.insert(part.begin(), part.end());
  return all;
}

void check_caches(const Caches& found, const Caches& expected) {
  CHECK(found.l1 == expected.l1);
  CHECK(found.l2 == expected.l2);
  CHECK(found.l3 == expected.l3);
  CHECK(found.l2_cores == expected.l2_cores);
  CHECK(found.l3_cores == expected.l3_cores);
}

constexpr Caches kSmallL2{32 << 10, 256 << 10, 8 << 20, 1, 4}, kLargeL2{48 << 10, 2 << 20, 32 << 20, 1, 8};

// Pretends these caches until the end of a scope.
struct Pretended {
  explicit Pretended(const Caches& caches) { gatecell::pretend_caches(caches); }
  ~Pretended() { gatecell::pretend_caches({}); }
};

PackedNetwork<float> packed(const char* spec, const Caches& caches) {
  const Pretended pretended(caches);
  const auto problem = random_problem<float>(spec, 1, 1);
  return PackedNetwork<float>(problem.spec, reference::views(problem), gatecell::available_isas().front());
}

Limit limit(const char* spec, const Caches& caches) {
  const auto net = packed(spec, caches);
  return gatecell::forecast(net, 100, 1, gatecell::make_plan(net, 100, 1, 1)).limit;
}

}  // namespace

TEST_CASE("the caches of a machine with two threads per core") {
  const Files files(3, merged({{{"topology/thread_siblings_list", "3,19"}},
                               cache(0, "1", "Data", "32K", "3,19"),
                               cache(1, "1", "Instruction", "64K", "3,19"),
                               cache(2, "2", "Unified", "512K", "3,19"),
                               cache(3, "3", "Unified", "32768K", "0-7,16-23")}));
  check_caches(gatecell::system::caches(files.root(), 3), {32 << 10, 512 << 10, 32 << 20, 1, 8});
}

TEST_CASE("the caches of an efficient core, which shares L2 with three others") {
  const Files files(16, merged({{{"topology/thread_siblings_list", "16"}},
                                cache(0, "1", "Data", "32K", "16"),
                                cache(1, "1", "Instruction", "64K", "16"),
                                cache(2, "2", "Unified", "2M", "16-19"),
                                cache(3, "3", "Unified", "30720K", "0-23")}));
  check_caches(gatecell::system::caches(files.root(), 16), {32 << 10, 2 << 20, 30 << 20, 4, 24});
}

TEST_CASE("a system that describes no caches, or describes them in another way") {
  const Files none(0, {});
  check_caches(gatecell::system::caches(none.root(), 0), {});
  const Files odd(0, merged({cache(0, "1", "Unified", "large", ""), cache(1, "4", "Unified", "64M", "0")}));
  check_caches(gatecell::system::caches(odd.root(), 0), {});
  const Files wrong(0, merged({cache(0, "1", "Data", "-5K", "3-"), cache(1, "2", "Unified", "64K", "3-1"),
                               cache(2, "3", "Unified", "1M", "0-2147483647")}));
  check_caches(gatecell::system::caches(wrong.root(), 0), {0, 64 << 10, 1 << 20, 1, 1 << 16});
}

TEST_CASE("the caches of this machine") {
  const gatecell::Caches caches = gatecell::caches();
  CHECK(caches.l1 >= 8 << 10);
  CHECK(caches.l2 > caches.l1);
  CHECK(caches.l3 > caches.l2);
}

TEST_CASE("the rates of processors that are known") {
  const auto gflops = [](const char* vendor, unsigned family, unsigned model, Isa isa) {
    return std::lround(1e-9 / gatecell::rates(Processor{vendor, family, model}, isa).flop);
  };
  CHECK(gflops("AuthenticAMD", 26, 2, Isa::avx512) == 230);
  CHECK(gflops("AuthenticAMD", 25, 0x11, Isa::avx512) == 117);  // a server's Zen 4
  CHECK(gflops("AuthenticAMD", 25, 0x61, Isa::avx2) == 117);    // a desktop's Zen 4
  CHECK(gflops("AuthenticAMD", 25, 0x01, Isa::avx2) == 100);    // a server's Zen 3
  CHECK(gflops("AuthenticAMD", 25, 0x21, Isa::avx2) == 100);    // a desktop's Zen 3
  CHECK(gflops("AuthenticAMD", 23, 0x31, Isa::avx2) == 100);    // a server's Zen 2
  CHECK(gflops("GenuineIntel", 6, 0x6a, Isa::avx512) == 190);
  CHECK(gflops("", 0, 0, Isa::neon) == 40);
  CHECK(gflops("Other", 6, 1, Isa::avx512) == 190);
  CHECK(gflops("Other", 6, 1, Isa::avx2) == 96);
  CHECK(gflops("Other", 6, 1, Isa::sse2) == 36);
  CHECK(gflops("AuthenticAMD", 23, 0x01, Isa::avx2) == 96);  // Zen 1 is not known
}

TEST_CASE("plans follow the sizes of the caches") {
  // W_ih and W_hh together: 384 KB.
  const auto small = packed("gru I=128 H=128", kSmallL2), large = packed("gru I=128 H=128", kLargeL2);
  CHECK(!gatecell::make_plan(small, 100, 8, 1).fused);
  CHECK(gatecell::make_plan(large, 100, 8, 1).fused);
  CHECK(gatecell::make_plan(small, 1000, 1, 1).chunk < gatecell::make_plan(large, 1000, 1, 1).chunk);
  // W_hh: 256 KB, 4 MB and 16 MB.
  CHECK(limit("lstm I=1 H=128", kSmallL2) == Limit::l3);
  CHECK(limit("lstm I=1 H=128", kLargeL2) == Limit::l2);
  CHECK(limit("lstm I=1 H=1024", kSmallL2) == Limit::memory);
  CHECK(limit("lstm I=1 H=1024", kLargeL2) == Limit::l3);
}

TEST_CASE("cores that share a cache have a part of it") {
  Caches cluster = kLargeL2;
  cluster.l2_cores = 4;
  const auto l2_of = [](const Caches& caches, int threads) {
    const Pretended pretended(caches);
    return gatecell::caches().l2_of(threads);
  };
  CHECK(l2_of(cluster, 1) == l2_of(kLargeL2, 1));
  CHECK(l2_of(cluster, 2) == l2_of(kLargeL2, 1) / 2);
  CHECK(l2_of(cluster, 8) == l2_of(kLargeL2, 1) / 4);
  // If hidden units are split among 16 cores, each L3 cache of 8 cores holds half of the weights: 32 of 64 MB.
  Plan plan;
  plan.hidden_parts = 16;
  const auto one = packed("rnn_relu I=1 H=4096", kLargeL2);
  Caches shared = kLargeL2;
  shared.l3_cores = 16;
  const auto all = packed("rnn_relu I=1 H=4096", shared);
  CHECK(gatecell::cost(one, 100, 1, plan).reading < gatecell::cost(all, 100, 1, plan).reading);
}

TEST_CASE("the caches decide plans, never results") {
  for (const char* spec : {"lstm I=160 H=160", "gru I=5 H=200 L=2", "rnn_tanh I=300 H=64 bidirectional"}) {
    for (const std::int64_t rows : {1, 5, 33}) {
      const auto problem = random_problem<float>(spec, 12, rows);
      CAPTURE(describe(problem));
      for (const Isa isa : gatecell::available_isas()) {
        const auto results = [&](const Caches& caches) {
          const Pretended pretended(caches);
          return run(network(problem, isa), problem);
        };
        CHECK(same_bits(results(kSmallL2), results(kLargeL2)));
      }
    }
  }
}

// The work of the shares of a plan differs by one row, or by one cache line of hidden units.
TEST_CASE("plans for more cores than this machine has are balanced and give the same bits") {
  struct PretendedCpus {
    PretendedCpus() { gatecell::pretend_cpus(64); }
    ~PretendedCpus() { gatecell::pretend_cpus(0); }
  } pretended;
  for (const int threads : {3, 16}) {
    for (const char* spec : {"lstm I=64 H=256", "gru I=64 H=144 bidirectional", "gru I=48 H=48 L=5"}) {
      for (const std::int64_t rows : {1, 7, 64}) {
        const auto problem = random_problem<float>(spec, 150, rows);
        CAPTURE(describe(problem));
        CAPTURE(threads);
        const auto net = network(problem, gatecell::available_isas().front());
        const Plan plan = net.plan(problem.steps, rows, threads, true);
        if (rows > 1) CHECK(plan.threads() > 1);  // with one row it depends on how fast the cores answer each other
        CHECK(plan.threads() <= threads);
        CHECK(plan.row_parts <= rows);
        std::int64_t total = 0, most = 0;
        for (int share = 0; share < plan.row_parts; ++share) {
          const std::int64_t own =
              gatecell::first_row(rows, plan.row_parts, share + 1) - gatecell::first_row(rows, plan.row_parts, share);
          total += own;
          most = std::max(most, own);
        }
        CHECK(total == rows);
        CHECK(most <= rows / plan.row_parts + 1);
        const auto expected = run(net, problem, Plan{1, 1, 1, 1, 7, 3});
        CHECK(same_bits(run(net, problem, plan), expected));
        Plan hidden;  // whatever the cost model prefers
        hidden.hidden_parts = 3;
        hidden.chunk = 9;
        hidden.group_rows = rows;
        CHECK(same_bits(run(net, problem, hidden), expected));
      }
    }
  }
}

// W_ih has strips and W_hh has none, or the reverse, where the kernels have 16 registers.
TEST_CASE_TEMPLATE("a step computes the same bits with and without strips", T, float, double) {
  for (const char* spec : {"lstm I=16 H=400", "lstm I=3000 H=40", "lstm I=16 H=40"}) {
    for (const std::int64_t rows : {1, 2, 3, 4, 5, 7, 13}) {
      const auto problem = random_problem<T>(spec, 3, rows);
      CAPTURE(describe(problem));
      const auto reference = network(problem, gatecell::available_isas().front());
      for (const Isa isa : gatecell::available_isas()) {
        CAPTURE(describe(isa));
        const auto net = network(problem, isa);
        Plan plan;
        plan.chunk = 3;
        plan.group_rows = rows;
        plan.fused = true;
        const auto fused = run(net, problem, plan);
        plan.fused = false;
        CHECK(same_bits(run(net, problem, plan), fused));
        if (gatecell::info(isa).is_fused == gatecell::info(gatecell::available_isas().front()).is_fused) {
          CHECK(same_bits(run(reference, problem, plan), fused));
        }
      }
    }
  }
}
