// Aligned memory: one allocation cut into pieces.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace gatecell {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Frees a block: what the heap gave, or a mapping of its own.
struct BlockDeleter {
  void* mapping = nullptr;
  std::size_t mapped = 0;

  void operator()(void* p) const {
    if (mapping) {
      munmap(mapping, mapped);
    } else {
      std::free(p);
    }
  }
};

// A page-aligned block that frees itself. Uninitialised.
using Block = std::unique_ptr<std::byte[], BlockDeleter>;

// Large blocks lie in huge pages as far as they fill them: fewer misses of the TLB, and small pages at random places
// evict each other from the L2 cache. They are mappings of their own, so that the wish for huge pages ends with them.
inline Block allocate_block(std::size_t bytes) {
  if (bytes < kHugePage) {
    void* p = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
    if (bytes && !p) throw std::bad_alloc();
    return Block(static_cast<std::byte*>(p), {});
  }
  if (bytes > PTRDIFF_MAX - kHugePage) throw std::bad_alloc();
  const std::size_t mapped = bytes + kHugePage;
  void* mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  void* p = mapping;
  std::size_t space = mapped;
  std::align(kHugePage, bytes, p, space);
  madvise(p, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);  // a wish: it may not come true
  return Block(static_cast<std::byte*>(p), {mapping, mapped});
}

// Hands out pieces of a block one after the other, null where the block is too small. used() tells how large it must
// be, so that the code which lays something out also measures it.
class Carver {
 public:
  Carver() = default;
  Carver(std::byte* base, std::size_t size) : base_(base), size_(size) {}

  template <class T>
  T* take(std::ptrdiff_t count, std::size_t alignment = kCacheLine) {
    const std::size_t begin = (used_ + alignment - 1) & ~(alignment - 1);
    used_ = begin + static_cast<std::size_t>(count) * sizeof(T);
    return used_ <= size_ ? reinterpret_cast<T*>(base_ + begin) : nullptr;
  }

  std::size_t used() const { return used_; }

 private:
  std::byte* base_ = nullptr;
  std::size_t size_ = 0, used_ = 0;
};

}  // namespace gatecell
