// Measures this machine's limits: multiply-adds, reads, activations and a round trip between two CPUs. `machine.py`
// compiles it for this machine and reads the line of JSON that it prints. It uses the vector types of the kernels, so
// that the limits are those of the hardware and not of different code.
//
//   machine fma T          {"float32": operations/s, "float64": ...}; a multiply-add counts as 2; takes 50 ms
//   machine read BYTES T   {"bandwidth": bytes/s}; each thread reads its own BYTES again and again. The result is that
//                          of the faster order: always forward, or forward and backward in turns. The latter finds the
//                          data that was read last in the next smaller cache.
//   machine activations T  {"lstm": {"float32": seconds, "float64": seconds}, ...}, each for one unit, row and step
//   machine round-trip     {"core_round_trip": seconds} between the first two CPUs; null if there is one CPU
//
// T threads work at the same time, each pinned to its own CPU of the affinity mask. Figures are those of all threads
// together.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "kernels/cells.h"
#include "runtime/memory.h"

namespace gatecell {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::vector<int> usable_cpus() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) throw std::runtime_error("sched_getaffinity failed");
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &mask)) cpus.push_back(cpu);
  }
  return cpus;
}

// Prevents the compiler from removing the computation of a vector. Takes it by value, because an accumulator whose
// address is taken would stay in memory.
template <class P>
GATECELL_INLINE void use(P vector) {
  asm volatile("" : : "m"(vector));
}

// Calls f(i) for each i below `threads`, on a thread that is pinned to the i-th usable CPU.
template <class F>
void on_threads(int threads, const F& f) {
  const std::vector<int> cpus = usable_cpus();
  if (threads < 1 || threads > static_cast<int>(cpus.size())) {
    throw std::runtime_error("expected 1 to " + std::to_string(cpus.size()) + " threads, got " +
                             std::to_string(threads));
  }
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&f, i, cpu = cpus[i]] {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      sched_setaffinity(0, sizeof(one), &one);
      f(i);
    });
  }
  for (std::thread& worker : workers) worker.join();
}

// Returns the amount of work that all threads do in a second: the best of several windows, which they start together.
// It takes the best because other programs on a shared machine slow down single windows, whereas a change of the
// machine's speed changes all of them. A window lasts from the first start to the last end: else a thread that starts
// late would work alone at the end, and faster.
// `make_work()` is called in each thread. It returns a function that works for some microseconds and returns the
// amount.
template <class MakeWork>
double rate(double window_seconds, int threads, const MakeWork& make_work) {
  constexpr int windows = 20;
  struct Window {
    double amount = 0, start = std::numeric_limits<double>::max(), end = 0;
  };
  std::vector<Window> together(windows);
  std::mutex mutex;
  std::atomic<int> arrived{0};
  on_threads(threads, [&](int thread) {
    auto work = make_work();
    work();
    for (int i = 0; i < windows; ++i) {
      arrived.fetch_add(1);
      while (arrived.load() < (i + 1) * threads) continue;
      const double start = now();
      double amount = 0, end = start;
      while (end < start + window_seconds) {
        amount += work();
        end = now();
      }
      const std::lock_guard<std::mutex> lock(mutex);
      Window& window = together[i];
      window.amount += amount;
      window.start = std::min(window.start, start);
      window.end = std::max(window.end, end);
    }
  });
  double best = 0;
  for (const Window& window : together) best = std::max(best, window.amount / (window.end - window.start));
  return best;
}

// Measures independent chains of multiply-adds. Their sums fill the registers like a kernel's tile. Most processors
// have two multiply-add units with a latency of 4 cycles, so 8 chains keep them busy.
template <class T>
double fma_rate(int threads) {
  constexpr int chains = kRegisters * 3 / 4, repeats = 1024;
  return rate(1e-3, threads, [] {
    return [] {
      Packet<T> sum[chains], w = broadcast(T(1e-3)), x = broadcast(T(1e-3));
      GATECELL_UNROLL
      for (int i = 0; i < chains; ++i) sum[i] = broadcast(T(i));
      for (int n = 0; n < repeats; ++n) {
        keep_in_register(w);
        keep_in_register(x);
        GATECELL_UNROLL
        for (int i = 0; i < chains; ++i) sum[i] = ei::pmadd(w, x, sum[i]);
      }
      GATECELL_UNROLL
      for (int i = 0; i < chains; ++i) use(sum[i]);
      return 2.0 * kLanes<T> * chains * repeats;
    };
  });
}

// An array of ones in huge pages. With small pages the TLB would limit the rate, and pages at random addresses would
// evict each other from L2.
class Ones {
 public:
  explicit Ones(std::size_t count)
      : allocation_(allocate_memory((count * sizeof(float) + kHugePage - 1) / kHugePage * kHugePage)),
        data_(reinterpret_cast<float*>(allocation_.get())) {
    std::fill_n(data_, count, 1.f);
  }
  const float* data() const { return data_; }

 private:
  Allocation allocation_;
  float* data_;
};

enum class Order { forward, back_and_forth };  // at the end: start again at the beginning, or read backward

double read_rate(std::size_t bytes, int threads, Order order) {
  constexpr std::size_t chains = 8, step = chains * kLanes<float>;  // enough additions at once that loads are the limit
  constexpr std::size_t clock_interval = 65536;  // floats that are read before the clock is read again
  const std::size_t count = bytes / sizeof(float), pieces = (count + clock_interval - 1) / clock_interval;
  const std::size_t piece = count / std::max(pieces, std::size_t{1}) / step * step;
  if (piece == 0) throw std::runtime_error("expected at least " + std::to_string(step * sizeof(float)) + " bytes");
  const std::size_t repeats = clock_interval / piece;
  return rate(3e-3, threads, [=] {
    return [=, ones = Ones(pieces * piece), at = std::size_t{0}, back = false]() mutable {
      Packet<float> sum[chains];
      GATECELL_UNROLL
      for (std::size_t i = 0; i < chains; ++i) sum[i] = broadcast(0.f);
      for (std::size_t n = 0; n < repeats; ++n) {
        const float* p = ones.data() + at * piece + (back ? piece - step : 0);
        const std::ptrdiff_t stride = back ? -std::ptrdiff_t{step} : std::ptrdiff_t{step};
        for (std::size_t k = 0; k < piece; k += step, p += stride) {
          GATECELL_UNROLL
          for (std::size_t i = 0; i < chains; ++i) sum[i] = ei::padd(sum[i], load(p + i * kLanes<float>));
        }
        if (order == Order::forward) {
          at = (at + 1) % pieces;
        } else if (at == (back ? 0 : pieces - 1)) {
          back = !back;
        } else {
          at += back ? -1 : 1;
        }
      }
      GATECELL_UNROLL
      for (std::size_t i = 0; i < chains; ++i) use(sum[i]);
      return static_cast<double>(repeats * piece * sizeof(float));
    };
  });
}

// The activations of a step of one row: computes h and c from pre-activations. All data is in the L1 cache. The RNN
// uses tanh.
template <class T, class Cell>
class Finish {
 public:
  Finish() : allocation_(allocate_memory((G + 3) * kUnits * sizeof(T))) {
    T* p = reinterpret_cast<T*>(allocation_.get());
    for (int i = 0; i < (G + 3) * kUnits; ++i) p[i] = (T(i % 17) - T(7.5)) / T(4);  // no 0: c would become denormal
  }

  double operator()() {
    T* sums = reinterpret_cast<T*>(allocation_.get());
    T *c = sums + G * kUnits, *h = c + kUnits, *h_next = h + kUnits;
    StepArgs<T> step{};
    step.c = c;
    for (int n = 0; n < kRepeats; ++n, std::swap(h, h_next)) {
      step.h = h;
      for (int block = 0; block < kUnits / W; block += kFinishRows) {
        const Places<T, kFinishRows> at{block, 0, true};
        const auto a = [&](int gate) GATECELL_ALWAYS { return at.load(sums + gate * W, 0, G * W); };
        at.store(h_next, 0, Cell::finish(step, at, a, [&]() GATECELL_ALWAYS { return a(0); }));
      }
    }
    return double(kUnits) * kRepeats;
  }

 private:
  static constexpr int W = kLanes<T>, G = Cell::kGates, kUnits = 24 * W, kRepeats = 16;
  Allocation allocation_;
};

// Seconds for the activations of one hidden unit, one row and one step, with all threads together.
template <class T, class Cell>
double finish_seconds(int threads) {
  return 1 / rate(1e-3, threads, [] { return Finish<T, Cell>(); });
}

// Two threads send each other numbers: each stores to its own cache line and waits for the other's. The result is the
// median over all windows.
double core_round_trip() {
  constexpr std::uint32_t rounds = 100, windows = 200;
  struct alignas(kCacheLine) Line {
    std::atomic<std::uint32_t> value{0};
  } ping, pong;
  std::vector<double> seconds(windows);
  on_threads(2, [&](int thread) {
    for (std::uint32_t n = 0; n < windows; ++n) {
      const double start = now();
      for (std::uint32_t i = n * rounds + 1; i <= (n + 1) * rounds; ++i) {
        Line &mine = thread ? pong : ping, &other = thread ? ping : pong;
        if (!thread) mine.value.store(i, std::memory_order_release);
        while (other.value.load(std::memory_order_acquire) != i) continue;
        if (thread) mine.value.store(i, std::memory_order_release);
      }
      if (!thread) seconds[n] = (now() - start) / rounds;
    }
  });
  std::nth_element(seconds.begin(), seconds.begin() + windows / 2, seconds.end());
  return seconds[windows / 2];
}

template <template <class> class Cell>
void print_finish(const char* name, int threads, const char* end) {
  std::printf("\"%s\": {\"float32\": %.6g, \"float64\": %.6g}%s", name, finish_seconds<float, Cell<float>>(threads),
              finish_seconds<double, Cell<double>>(threads), end);
}

void run(const std::vector<std::string>& words) {
  const std::string command = words.empty() ? "" : words[0];
  if (command == "fma" && words.size() == 2) {
    const int threads = std::stoi(words[1]);
    std::printf("{\"float32\": %.6g, \"float64\": %.6g}\n", fma_rate<float>(threads), fma_rate<double>(threads));
  } else if (command == "read" && words.size() == 3) {
    const std::size_t bytes = std::stoul(words[1]);
    const int threads = std::stoi(words[2]);
    std::printf("{\"bandwidth\": %.6g}\n",
                std::max(read_rate(bytes, threads, Order::forward), read_rate(bytes, threads, Order::back_and_forth)));
  } else if (command == "activations" && words.size() == 2) {
    const int threads = std::stoi(words[1]);
    std::printf("{");
    print_finish<Lstm>("lstm", threads, ", ");
    print_finish<Gru>("gru", threads, ", ");
    print_finish<Rnn>("rnn", threads, "}\n");
  } else if (command == "round-trip" && words.size() == 1) {
    if (usable_cpus().size() < 2) {
      std::puts("{\"core_round_trip\": null}");
    } else {
      std::printf("{\"core_round_trip\": %.6g}\n", core_round_trip());
    }
  } else {
    throw std::runtime_error("expected fma T, read BYTES T, activations T or round-trip");
  }
}

}  // namespace
}  // namespace gatecell

int main(int argc, char** argv) {
  try {
    gatecell::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "machine: %s\n", error.what());
    return 1;
  }
}
