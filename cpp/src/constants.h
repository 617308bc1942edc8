// Constants that were measured or chosen, each with its origin. They decide speed, never results.
//
// Machines: "Zen 5" is the virtual machine on which gatecell was tuned in November 2026: 2 cores, AVX-512, 48 KB of L1,
// 1 MB of L2, 32 MB of L3. "Zen 4" is the virtual machine of the trials before: 2 cores, AVX-512, 1 MB of L2. "Chosen"
// means that no measurement is recorded that decides between near values. The rates of cores are in
// runtime/machine.cpp. The shapes of tiles follow from the registers (kernels/tile.h).
//
// Only plain numbers are here, because the ISA objects include this file. Times are in seconds, sizes in bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatecell {

// Hardware.

constexpr std::size_t kCacheLine = 64;  // of x86 and most ARM processors; others have lines of 32 to 256 bytes
constexpr std::size_t kPage = 4096;     // of Linux on x86; on ARM pages may be larger
constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Blocking.

// The largest matrix whose panels have strips (pack/panels.h), the same on every machine. Zen 4 with 1 MB of L2, avx2,
// LSTM: at H = 256 (1 MB) strips make a step of one row 2 % faster and of 4 rows 12 %; at H = 512 (4 MB) one row 9 %
// slower, 4 rows 13 % faster. Chosen between the two.
constexpr std::ptrdiff_t kMostStripBytes = std::ptrdiff_t{3} << 19;
// The largest group of rows. With more rows, each step passes over the weights once per group. Chosen on the Zen 5.
constexpr std::int64_t kGroupRows = 48;
// The projected pre-activations of one chunk and one group stay in the L2 cache until the steps have used them. Chosen:
// a fourth of what stays in L2, because the panels pass through it as well.
constexpr double kPreActivationShare = 1. / 4;
// If the input weights are too large for the L2 cache, a longer chunk is better, because it reads them fewer times.
// Chosen on the Zen 5.
constexpr std::int64_t kWeightBytesPerPreActivationByte = 4;
// The fewest rows in all steps of a chunk together. Chosen: three or four full tiles of `project`.
constexpr std::int64_t kFewestChunkRows = 24;
// The chunk if layers are split: few steps, so that every thread soon has a layer to work on, but enough steps for full
// tiles of `project`. Zen 5, LSTM H = 64, T = 100, one row, two threads: two layers 83 to 52 us, three 127 to 71 us.
constexpr std::int64_t kLayerChunk = 8;

// Fused steps, which compute the input products in each step.

// Zen 4: with 1 row of H = 64 fused steps take 112 us, projected ones 82 us; with 2 rows of H = 256 they are 11 %
// slower. Zen 5: with 3 rows and more they are 1 to 3 % faster if both matrices stay in the L2 cache, or from 16 rows
// on. For 4 to 8 rows of H = 256 they are 1 to 5 % slower.
constexpr std::int64_t kFewestFusedRows = 3, kFewestSharedRows = 16;
// The share of the L3 cache that both matrices may take. Zen 4, 32 MB: if they exceed 20 MB, fused steps lose.
constexpr double kSharedWeightShare = 0.6;

// Prefetching of the next panel (kernels/tile.h).

// Zen 5: at H = 1024 with 32 rows a step becomes 8 % faster. With fewer than four tiles, or a matrix below 8 MB, it
// becomes 3 to 9 % slower.
constexpr std::ptrdiff_t kFetchingTiles = 4;
constexpr std::ptrdiff_t kFarMatrixBytes = std::ptrdiff_t{8} << 20;

// The cost model.

// The share of a cache in which weights stay while each step reads them again. Chosen: L2 holds x, h and y as well.
constexpr double kL1Share = 5. / 6, kL2Share = 3. / 4;
// Weights of up to this share of the L3 cache stay there. Weights of this share and a whole cache more come from
// memory; between the two, a part of them does. Zen 4, 32 MB, one row: 17 MB are read at the rate of L3, 25 MB in 1.5
// times and 34 MB in 1.8 times this time; memory alone would take 3 times.
constexpr double kL3Share = 0.55;
// The next five were fitted on the Zen 5. For one row of H = 16 to 512 the predictions were within 15 % of the measured
// times.
constexpr double kOverlap = 0.7;            // the fraction of the shorter time that is hidden behind the longer one
constexpr double kFlopsPerActivation = 40;  // for the activation of a gate and its use in the new state
constexpr double kStepSeconds = 30e-9;      // for the calls of a step
constexpr double kRoundTripsPerBarrier = 1.25, kBarrierSeconds = 40e-9;
constexpr double kCallSeconds = 500e-9;        // for the checks, plan and outputs of a call. Zen 4, from Python
constexpr double kLayerSeconds = 1e-6;         // for the barrier of two threads at the end of a layer. Chosen
constexpr double kTaskSeconds = 300e-9;        // for the first step of a chunk, with weights in no near cache. Chosen
constexpr double kZeroByteSeconds = 1 / 10e9;  // to set y to zeros behind the end of a row. Chosen

// Threads.

// To give a job to a worker that is awake, and to wait for it. Chosen: several round trips.
constexpr double kStartSeconds = 1e-6;
// Zen 4: a sleeping worker takes 11 to 90 us to wake, and the waking thread itself loses 6 to 11 us. So waking pays for
// calls of about 100 us. For workers that are awake it pays from 3 us on; chosen is more.
constexpr double kWorthThreads = 100e-6, kWorthAwake = 5e-6;
// A plan in which threads wait for each other often must be faster by this factor: if the system interrupts one of
// them, all of them lose time. Chosen.
constexpr double kBarrierRisk = 1.03;
// A call belongs to a series if it follows the call before within this gap and that call's own duration twice. A series
// of this duration makes waking a worker pay. Chosen: a worker sleeps after 30 us, and half a millisecond hides one
// waking.
constexpr double kLoopGap = 20e-6, kLoopSeconds = 500e-6;
// While workers wake, the calling thread takes steps in pieces of this duration; if one step takes longer than
// kLongStep, it waits instead. Chosen: waking takes 11 us at least, often below 30 us.
constexpr double kPieceSeconds = 10e-6, kLongStep = 30e-6;
// How long threads spin before they sleep. A worker for its next job: a new job arrives within microseconds in a loop,
// and spinning saves the 11 us of waking; an idle pool must cost nothing soon. Threads of a call for each other: Zen 4,
// 50 us are about 2,000 pauses, far above a round trip. Chosen.
constexpr int kSpinForJobMicroseconds = 30, kSpinForWorkerMicroseconds = 50, kBarrierSpinMicroseconds = 50;
// The pauses between two looks at the clock while a thread spins. Chosen: on the Zen 4 they take about 400 ns.
constexpr int kPausesPerLook = 16;
// The round trip of a wait counter between two cores before it is measured. Zen 4: 90 to 103 ns, in some seconds 400
// ns. Chosen is an optimistic value, as a bad one would never be measured again.
constexpr double kDefaultRoundTrip = 150e-9;
// How long a measured round trip is valid. Zen 4: it changes in episodes of seconds.
constexpr int kRoundTripValidSeconds = 1;
// A measurement ends after this time, because then the other CPU is busy with something else. Chosen.
constexpr int kRoundTripPatienceMicroseconds = 200;
// A measurement takes the fastest of these batches but the first. Chosen: about 5 us if nothing disturbs it.
constexpr std::uint32_t kRoundTripBatches = 5, kRoundTripsPerBatch = 8;

// Memory.

// The largest scratch that a thread keeps after a call. Chosen.
constexpr std::size_t kLargestKept = std::size_t{8} << 20;

// Python.

// Calls that are predicted to take longer release the GIL. If another Python thread is busy, getting it back can take 5
// ms, the switch interval of CPython. Chosen.
constexpr double kReleaseGil = 50e-6;
// Tensors with larger outputs get the memory of a NumPy array, because NumPy requests huge pages from 4 MiB on. Chosen:
// a rounder number below it.
constexpr std::ptrdiff_t kNumpyHugePageBytes = 4'000'000;

}  // namespace gatecell
