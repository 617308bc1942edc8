// The worker threads of the process: one team, started on first need, shared by all networks, asleep between calls.
//
// A caller claims idle workers, gives them one job and waits for them. A team that is busy gives fewer workers or none;
// the caller then runs with what it has, which changes no bit of the result. After fork() the child has no workers; it
// starts a team of its own when it first needs one.
#pragma once

#include "runtime/flag.h"

namespace gatecell {

class Worker;

// Workers held by one caller, given back at the end of its life.
class Claim {
 public:
  // Up to `wanted` workers, never more than the machine has other CPUs for. Starts threads the first time.
  explicit Claim(int wanted);
  ~Claim();
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  int size() const { return size_; }

  // Whether all of them wait awake, as they do a moment after their last job: then they start at once.
  bool is_awake() const;

  // Wakes them while the caller does something else, until has_woken().
  void wake();
  bool has_woken() const;

  // Runs job(context, part): part 0 here, 1 ... parts-1 in workers, at most size() of them. Returns when all are done.
  // The job must not throw.
  void run(int parts, void (*job)(void* context, int part), void* context);

 private:
  template <class F>
  bool all(const F& f) const;

  Worker* first_ = nullptr;  // a list through the workers: a claim allocates nothing
  int size_ = 0;
};

// Whether the first worker waits awake for its next job, as it does a moment after the last: then it starts at once.
bool team_is_awake();

// Seconds for a flag to travel to another core and back. Virtual machines move cores about, so a measurement counts for
// a second; then it is a hopeful guess again, which leads to a call that shares its steps, and so to the next one.
double flag_round_trip();

// Measures it with a worker that is awake, if the last measurement is too old.
void refresh_flag_round_trip(Claim& claim);

// CPUs the calling thread may run on: what limits the number of threads of a call.
int usable_cpus();

// Lets tests run more threads than this machine has CPUs; 0: as it is.
void pretend_cpus(int count);

}  // namespace gatecell
