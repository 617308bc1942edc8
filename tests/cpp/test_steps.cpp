// Promise 4: when scratch memory is allocated, a step allocates nothing, takes no lock and makes no system call. This
// executable replaces malloc and its relatives and pthread_mutex_lock, and counts their calls. The strict mode of
// seccomp kills a process at any system call.
#include <dlfcn.h>
#include <doctest/doctest.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <optional>
#include <ostream>

#include "gatecell/stream.h"
#include "problems.h"
#include "runtime/cpu_count.h"

namespace {

std::atomic<std::int64_t> allocations{0}, locks{0};

}  // namespace

#pragma GCC visibility push(default)  // if these functions were hidden, shared libraries would not use them
extern "C" {
// glibc's internal names of the functions that are replaced here.
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) { return ++allocations, __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) { return ++allocations, __libc_calloc(count, size); }
void* realloc(void* old, std::size_t size) { return ++allocations, __libc_realloc(old, size); }
void* memalign(std::size_t alignment, std::size_t size) { return ++allocations, __libc_memalign(alignment, size); }
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
int posix_memalign(void** result, std::size_t alignment, std::size_t size) {
  *result = memalign(alignment, size);
  return *result ? 0 : ENOMEM;
}
int pthread_mutex_lock(pthread_mutex_t* mutex) {
  using Lock = int (*)(pthread_mutex_t*);
  static std::atomic<Lock> libc{nullptr};
  if (!libc.load()) libc = reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  return ++locks, libc.load()(mutex);
}
}
#pragma GCC visibility pop

using namespace problems;

namespace {

std::vector<Spec> specs() {
  std::vector<Spec> result = every_cell("I=3 H=19 L=2 bidirectional");
  result.push_back(parse_spec("lstm I=3 H=19 P=7"));
  for (const Spec& spec : extended_specs("I=3 H=19")) result.push_back(spec);
  return result;
}

// Numbers of allocations and locks.
struct Events {
  std::int64_t allocations, locks;
  bool operator==(const Events& other) const { return allocations == other.allocations && locks == other.locks; }
  friend std::ostream& operator<<(std::ostream& out, const Events& events) {
    return out << events.allocations << " allocations, " << events.locks << " locks";
  }
};

// Makes one call and returns the number of its allocations and locks.
template <class T, class How>
Events count(const Network<T>& net, const Call<T>& call, const How& how) {
  const Events before{allocations, locks};
  net.forward(call, how);
  return {allocations - before.allocations, locks - before.locks};
}

}  // namespace

TEST_CASE("allocations and locks are counted") {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  const auto lock_once = [&] { return pthread_mutex_lock(&mutex) + pthread_mutex_unlock(&mutex); };
  REQUIRE(lock_once() == 0);  // the first call finds the real function, and that also locks
  const Events before{allocations, locks};
  lock_once();
  // It is volatile, so that the compiler does not remove the allocation.
  void* (*volatile allocate)(std::size_t) = operator new;
  operator delete(allocate(3));
  const Events after{allocations, locks};
  CHECK(after.allocations == before.allocations + 1);
  CHECK(after.locks == before.locks + 1);
}

TEST_CASE_TEMPLATE("10,000 steps on one thread allocate nothing and take no lock", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : specs()) {
      const auto problem = random_problem<T>(spec, 10000 / work_divisor, 2);
      CAPTURE(describe(problem));
      CAPTURE(describe(isa));
      const auto net = network(problem, isa);
      Output<T> output;
      Call<T> call = dense_call(problem, output);
      net.forward(call, 1);
      CHECK(count(net, call, 1) == Events{0, 0});

      call.steps = 1;
      Events sum{0, 0};
      for (int i = 0; i < 10000 / work_divisor; ++i) {
        const Events events = count(net, call, 1);
        sum = {sum.allocations + events.allocations, sum.locks + events.locks};
      }
      CHECK(sum == Events{0, 0});

      if (spec.bidirectional) continue;
      gatecell::Stream<T> stream(net, problem.rows);
      const Events before{allocations, locks};
      for (int i = 0; i < 10000 / work_divisor; ++i) stream.step(call.x, call.y);
      CHECK(Events{allocations, locks} == before);
    }
  }
}

TEST_CASE_TEMPLATE("10,000 steps make no system call, under seccomp", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : specs()) {
      const auto problem = random_problem<T>(spec, 10000 / work_divisor, 2);
      CAPTURE(describe(problem));
      CAPTURE(describe(isa));
      const auto net = network(problem, isa);
      Output<T> output;
      const Call<T> call = dense_call(problem, output);
      net.forward(call, 1);
      std::optional<gatecell::Stream<T>> stream;
      if (!spec.bidirectional) stream.emplace(net, problem.rows);
      const pid_t child = fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        const long failed = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        if (!failed) net.forward(call, 1);
        for (int i = 0; stream && i < 10000 / work_divisor; ++i) stream->step(call.x, call.y);
        syscall(SYS_exit, failed ? 1 : 0);  // _exit() would call exit_group, which strict mode does not allow
      }
      int status = -1;
      REQUIRE(waitpid(child, &status, 0) == child);
      CHECK_MESSAGE(status == 0, (WIFSIGNALED(status) ? "killed at a system call" : "seccomp refused"));
    }
  }
}

TEST_CASE_TEMPLATE("allocations and locks of a call on two threads do not depend on its length", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (Spec spec : specs()) {
      spec.hidden_size = 100;
      const auto problem = random_problem<T>(spec, 400 / work_divisor, 8);
      CAPTURE(describe(problem));
      CAPTURE(describe(isa));
      const auto net = network(problem, isa);
      Output<T> output;
      const Call<T> call = dense_call(problem, output);
      Call<T> shorter = call;
      shorter.steps = 200 / work_divisor;
      CHECK(net.plan(shorter.steps, problem.rows, 2).threads() == std::min(2, gatecell::usable_cpus()));
      net.forward(call, 2);
      CHECK(count(net, call, 2) == count(net, shorter, 2));
      const gatecell::Plan hidden = {1, 1, 1, 2, 16, 4};
      net.forward(call, hidden);
      CHECK(count(net, call, hidden) == count(net, shorter, hidden));
      if (spec.bidirectional || spec.num_layers == 1) continue;
      const gatecell::Plan layers = {1, 1, 2, 1, 16, 8};
      net.forward(call, layers);
      CHECK(count(net, call, layers) == count(net, shorter, layers));
    }
  }
}
