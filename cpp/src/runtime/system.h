// What gatecell needs of the operating system, apart from the C++ standard library. Only the folder of the system
// (`linux/`) includes the system's headers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace gatecell::system {

// Lets the calling thread sleep while the word has this value, until wake_all(word). May return earlier.
void wait(const std::atomic<std::uint32_t>& word, std::uint32_t value);
void wake_all(const std::atomic<std::uint32_t>& word);

// New pages of zeros; null if there is no memory.
void* map_pages(std::size_t bytes);
void unmap_pages(void* pages, std::size_t bytes);
// Asks for huge pages in mapped memory. The system may ignore it.
void request_huge_pages(void* begin, std::size_t bytes);

// The number of CPUs that the calling thread may run on, at least 1.
int usable_cpus();
// The first of them.
int first_usable_cpu();

// The data caches of one core: bytes, 0 where unknown, and the number of cores that share a cache.
struct Caches {
  std::int64_t l1 = 0, l2 = 0, l3 = 0;
  int l2_cores = 1, l3_cores = 1;
};

// The caches of this CPU, as the system describes them below the folder `root`, which is empty but in tests.
Caches caches(const std::string& root, int cpu);

// Starts a thread that runs on the CPUs of the process, not only on those of the calling thread. No signal is handled
// on it, so that only the application's own threads handle signals. Throws std::system_error if there is no thread.
void start_thread(void (*run)(void*), void* argument);

// Calls f in each forked child. Returns whether the system will do that.
bool call_after_fork(void (*f)());

}  // namespace gatecell::system
