// A trained recurrent network, packed for one instruction set.
//
// spec.h has the equations, the gate order and the shapes of the weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gatecell/isa.h"
#include "gatecell/spec.h"

namespace gatecell {

// The weights of one direction of one layer, row-major, in PyTorch's layout. A weight that the network does not have is
// null; weight_shapes(spec, layer) names those that it has.
template <class T>
struct DirectionWeights {
  const T* weight_ih = nullptr;        // (gates*H, layer input)
  const T* weight_hh = nullptr;        // (gates*H, state size)
  const T* bias_ih = nullptr;          // (gates*H)
  const T* bias_hh = nullptr;          // (gates*H)
  const T* weight_hr = nullptr;        // (proj_size, H)
  const T* weight_peephole = nullptr;  // (3*H), full (3*H, H), of i f o; with coupled gates (2*H), (2*H, H), of i o

  // The members by name.
  static constexpr std::pair<const char*, const T * DirectionWeights::*> members[] = {
      {"weight_ih", &DirectionWeights::weight_ih}, {"weight_hh", &DirectionWeights::weight_hh},
      {"bias_ih", &DirectionWeights::bias_ih},     {"bias_hh", &DirectionWeights::bias_hh},
      {"weight_hr", &DirectionWeights::weight_hr}, {"weight_peephole", &DirectionWeights::weight_peephole}};
  // The member with this name; null for another name.
  const T** find(const std::string& name) {
    for (const auto& [known, member] : members) {
      if (name == known) return &(this->*member);
    }
    return nullptr;
  }
};

// Where the rows of a call with lengths are in x and y.
enum class Layout {
  padded,  // as without lengths; behind the end of a row x is not read, and y becomes 0
  packed,  // as in torch's PackedSequence: the rows active at step 0, those active at step 1, ...; x_row and y_row are
           // the distances between them; no row is longer than the row before it
  jagged,  // row after row, each with its own length; x_step and y_step are the distances between the steps of a row
};

// One call. Strides are in elements; features are adjacent. h_0, c_0, h_n and c_n are contiguous (layers*directions,
// rows, features). A null h_0 or c_0 means zeros. c_n may be null for cells without c. y must not overlap an input. h_n
// may be the same array as h_0, and c_n the same as c_0.
template <class T>
struct Call {
  std::int64_t steps = 0;  // T
  std::int64_t rows = 0;   // B
  const T* x = nullptr;    // (T, B, input_size)
  std::int64_t x_step = 0, x_row = 0;
  const T* h_0 = nullptr;
  const T* c_0 = nullptr;
  T* y = nullptr;  // (T, B, output_size)
  std::int64_t y_step = 0, y_row = 0;
  T* h_n = nullptr;
  T* c_n = nullptr;
  const std::int64_t* lengths = nullptr;  // (B), the number of steps of each row, 0 ... T in any order; null: T each
  Layout layout = Layout::padded;
  // (B), all different: the state of row r is in row state_rows[r] of the state arrays, which have state_capacity rows.
  // Null: the state arrays have B rows, in order.
  const std::int64_t* state_rows = nullptr;
  std::int64_t state_capacity = 0;
};

// The numbers of steps of a call with lengths.
struct Extent {
  std::int64_t longest = 0, total = 0;  // of the longest row, of all rows together
};

// What a call of one shape will do. forward() does exactly this, or uses fewer threads if the thread pool is busy.
// There are two exceptions. While the threads still sleep, a call of one direction may begin on the calling thread
// alone. As rows of different lengths end, a chunk takes more steps, so that the active rows of all its steps together
// stay about chunk * group_rows; whether it is fused then depends on the number of active rows.
struct Plan {
  int row_parts = 1;            // threads that split the rows of the batch
  int direction_parts = 1;      // threads that split the directions of a layer
  int layer_parts = 1;          // threads that split the layers; the other splits must then be 1
  int hidden_parts = 1;         // threads that split the hidden units, and wait for each other after each step
  std::int64_t chunk = 1;       // steps that a layer takes at once; with one direction, before the next layer does
  std::int64_t group_rows = 1;  // rows of the batch that go through time together in a thread
  bool fused = false;           // input products are computed in each step; otherwise for a whole chunk before it
  double seconds = 0;           // predicted duration

  int threads() const { return row_parts * direction_parts * layer_parts * hidden_parts; }
};

// What takes the largest share of a call's time.
enum class Limit { multiply_adds, l1, l2, l3, memory, barriers, calls };

// What the cost model says about a plan.
struct Forecast {
  double step_bytes = 0;  // weights that all threads together read in a time step of the network
  Limit limit = Limit::calls;
};

// nbytes() of a network with this spec, known before there are weights. The spec must be valid. Throws
// std::invalid_argument for an ISA that this machine cannot run.
template <class T>
std::size_t packed_nbytes(const Spec& spec, Isa isa);

template <class T>
struct PackedNetwork;
template <class T>
struct StateArrays;
template <class T>
class Network;
template <class T>
class Stream;

// A call that is checked and planned, and runs once. It belongs to the thread that prepares it. It refers to the
// network and to the arrays of the call, which must outlive it and must not change before it runs.
template <class T>
class PreparedCall {
 public:
  PreparedCall(const PreparedCall&) = delete;
  PreparedCall& operator=(const PreparedCall&) = delete;

  // How the call will run. Uses fewer threads if the thread pool is busy.
  const Plan& plan() const { return plan_; }

  // If the call must allocate scratch memory, it does so before the first step; if the threads sleep, before the first
  // step that they take part in. After that there is no allocation, lock or exception. Throws std::bad_alloc if there
  // is no memory for scratch; what the call has written until then is not a result.
  void run() const;

 private:
  friend class Network<T>;
  friend class Stream<T>;
  // The caller sets the floating-point mode. `states` replaces the state arrays of the call; null: the call has them.
  PreparedCall(const PackedNetwork<T>& net, const Call<T>& call, const StateArrays<T>* states, int num_threads);
  void execute() const;  // run() without the floating-point mode

  const PackedNetwork<T>& net_;
  const Call<T> call_;
  const StateArrays<T>* const states_;  // [layer]
  const Extent extent_;
  double loop_seconds_ = 0;  // see plan_next_call() in schedule/plan.h
  const Plan plan_;
};

// Immutable after construction. Several threads may call it at the same time. T is float or double.
template <class T>
class Network {
 public:
  // weights: layer by layer, forward direction first. They are packed, and not read after this. Throws
  // std::invalid_argument for a wrong spec, number of weights or ISA, and for a weight that is missing or not wanted;
  // std::bad_alloc.
  Network(const Spec& spec, const std::vector<DirectionWeights<T>>& weights, Isa isa);
  ~Network();
  Network(const Network&);  // shares the weights
  Network& operator=(const Network&);
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  const Spec& spec() const;
  Isa isa() const;
  std::size_t nbytes() const;  // memory of the packed weights, which is all that a network keeps

  // The fastest plan for a call of this shape. A question that changes nothing: a call records that it runs, a plan
  // does not. in_loop: whether calls follow each other closely, so that the other threads are awake. Such a call uses
  // them from about 5 us on, another one from about 100 us on, because waking a thread takes up to 90 us. prepare()
  // finds out which of the two it is.
  Plan plan(std::int64_t steps, std::int64_t rows, int num_threads, bool in_loop = false) const;
  Plan plan(const Call<T>& call, int num_threads, bool in_loop = false) const;  // considers the lengths of the call
  Forecast forecast(std::int64_t steps, std::int64_t rows, const Plan& plan) const;

  // Checks and plans a call. Throws std::invalid_argument for negative sizes, lengths or state rows out of range,
  // packed lengths that grow, and, unless no row has a step, a null x, y or h_n.
  PreparedCall<T> prepare(const Call<T>& call, int num_threads) const;
  // prepare() and run(), with the errors of both.
  void forward(const Call<T>& call, int num_threads) const;
  // Follows the plan, or uses fewer threads if the thread pool is busy. Also throws std::invalid_argument for a plan
  // that is not valid for this network and call.
  void forward(const Call<T>& call, const Plan& plan) const;

 private:
  friend class Stream<T>;
  std::shared_ptr<const PackedNetwork<T>> packed_;
};

}  // namespace gatecell
