// Aligned memory: one allocation cut into pieces.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace gatecell {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kPage = 4096;

struct FreeDeleter {
  void operator()(void* p) const { std::free(p); }
};

// A page-aligned block that frees itself. Uninitialised.
using Block = std::unique_ptr<std::byte[], FreeDeleter>;

inline Block allocate_block(std::size_t bytes) {
  void* p = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  if (bytes && !p) throw std::bad_alloc();
  return Block(static_cast<std::byte*>(p));
}

// Hands out pieces of a block one after the other. Over no block it only counts, so that the code which lays something
// out also tells how large the block must be.
class Carver {
 public:
  explicit Carver(std::byte* base = nullptr) : base_(base) {}

  template <class T>
  T* take(std::ptrdiff_t count, std::size_t alignment = kCacheLine) {
    used_ = (used_ + alignment - 1) / alignment * alignment;
    T* p = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += static_cast<std::size_t>(count) * sizeof(T);
    return p;
  }

  std::size_t used() const { return used_; }

 private:
  std::byte* base_;
  std::size_t used_ = 0;
};

}  // namespace gatecell
