// Aligned memory: one allocation, and an allocator that divides it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "constants.h"
#include "runtime/system.h"

namespace gatecell {

// Frees an allocation: memory of the heap, or a mapping.
struct AllocationDeleter {
  void* mapping = nullptr;
  std::size_t mapped = 0;

  void operator()(void* p) const {
    if (mapping) {
      system::unmap_pages(mapping, mapped);
    } else {
      std::free(p);
    }
  }
};

// Page-aligned, uninitialised memory that is freed with this object.
using Allocation = std::unique_ptr<std::byte[], AllocationDeleter>;

// A large allocation uses huge pages, except for its last incomplete one. That gives fewer TLB misses, and avoids small
// pages at random addresses, which evict each other from the L2 cache. A large allocation is a mapping of its own, so
// that the request for huge pages ends with it.
inline Allocation allocate_memory(std::size_t bytes) {
  if (bytes < kHugePage) {
    void* p = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
    if (bytes && !p) throw std::bad_alloc();
    return Allocation(static_cast<std::byte*>(p), {});
  }
  if (bytes > PTRDIFF_MAX - kHugePage) throw std::bad_alloc();
  const std::size_t mapped = bytes + kHugePage;
  void* mapping = system::map_pages(mapped);
  if (!mapping) throw std::bad_alloc();
  void* p = mapping;
  std::size_t space = mapped;
  std::align(kHugePage, bytes, p, space);
  system::request_huge_pages(p, bytes / kHugePage * kHugePage);
  return Allocation(static_cast<std::byte*>(p), {mapping, mapped});
}

// Divides memory into consecutive pieces. Returns null where the memory is too small. used() is the size that all
// pieces need, so the same code first measures (on an empty allocator) and then lays out.
class BumpAllocator {
 public:
  BumpAllocator() = default;
  BumpAllocator(std::byte* base, std::size_t size) : base_(base), size_(size) {}

  template <class T>
  T* allocate(std::ptrdiff_t count, std::size_t alignment = kCacheLine) {
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
