// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Execution model: grid -> resident blocks -> warps -> groups of lanes running in lockstep.
#pragma once
#include <array>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "ptx_types.hpp"
#include "memory.hpp"
#include "ptx_parser.hpp"

namespace cudasim {

class Warp;
struct Insn;
struct Block;
struct Grid;
struct Program;
struct KernelStats;

using ExecFn = void (*)(Warp&, const Insn&, u32 mask);

/// How the run loop treats an instruction.
enum class Kind : u8 {
  Alu,       // lane-local: may also compute dead lanes
  Mem,       // needs the exact mask
  WarpSync,  // waits until every lane of its member mask has arrived
  Bar,       // block barrier
  Bra,
  BrxIdx,
  Call,
  Ret,
  Exit,
  Trap,
  Yield,  // lets other warps run afterwards (nanosleep, failed try_wait)
};

/// Statistics class.
enum class Cls : u8 {
  Int,
  Fp32,
  Fp64,
  Fp16,
  Special,
  Tensor,
  LdSt,
  Atomic,
  Control,
  Sync,
  Move,
  Count
};

enum Flag : u16 {
  kFtz = 1,
  kSat = 2,
  kRelu = 4,
  kNanProp = 8,
  kRoundShift = 4 /* bits 4-5: rn rz rm rp */,
  kAbs = 64,
  kTrans = 128,
  kAddr32 = 256,
  kNoArrive = 512,
  kXorSign = 1024,
};

/// One decoded instruction. Operand slots: >= 0 is a byte offset into the frame's registers,
/// < 0 is ~offset into the program's constant pool, 0 means "no operand". Every slot holds 32
/// lanes.
struct Insn {
  ExecFn fn = nullptr;
  s32 d = 0, a = 0, b = 0, c = 0, e = 0;
  s32 guard = -1;  // predicate slot
  s64 imm = 0;     // address offset or branch target / table index
  u32 list = 0;    // first entry in Program::lists
  u16 flags = 0;
  u8 nlist = 0;
  u8 size = 4;   // element bytes in memory
  u8 rsize = 4;  // register bytes
  u8 vec = 1;
  u8 op = 0;  // family specific
  bool guard_neg = false;
  bool sext = false;
  Kind kind = Kind::Alu;
  Cls cls = Cls::Int;
  ptx::Space space = ptx::Space::Generic;
  const ptx::Stmt* stmt = nullptr;
  mutable const Alloc* cache = nullptr;
  mutable u32 cache_epoch = 0;
};

struct ParamSlot {
  u32 offset, size;
};

struct DecodedFn {
  ptx::Function* fn = nullptr;
  u32 entry = 0;
  u32 reg_bytes = 0;
  u32 param_bytes = 0;  // per lane: own parameters, return value and call arguments
  u32 local_bytes = 0;  // per lane
  std::vector<ParamSlot> params, rets;
};

struct CallSite {
  DecodedFn* callee = nullptr;       // null: indirect through `target` or builtin
  ptx::Function* name_fn = nullptr;  // direct call: the function named
  s32 target = 0;
  int builtin = 0;
  std::vector<ParamSlot> args, rets;  // in the caller's parameter area
};

/// A kernel and every function it can call, decoded.
struct Program {
  ptx::Function* kernel = nullptr;
  std::vector<Insn> code;
  char* const_base =
      nullptr;  // broadcast constants; a fixed reservation so that pointers stay valid
  u32 const_size = 0;
  std::vector<s32> lists;
  std::vector<CallSite> calls;
  std::vector<std::vector<u32>> branch_tables;
  std::deque<DecodedFn> fns;
  std::vector<u64> sync_masks;
  u32 static_shared = 0, dynamic_shared_offset = 0;
  std::vector<ParamSlot> kernel_params;
  u32 kernel_param_bytes = 0;
  std::vector<u64> exec_warp, exec_thread;  // per instruction, when statistics are on

  DecodedFn* function(ptx::Function* f);  // decodes on first use
  void link();                            // decode the direct callees of every call site
  std::unordered_map<std::string_view, u32> shared_vars;
};

/// Decode `kernel` (throws Unsupported / ParseError).
std::unique_ptr<Program> decode_kernel(ptx::Function& kernel);

struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Ends the running kernel with a CUDA error code.
struct KernelFault {
  int code;
};

struct Frame {
  Frame* parent = nullptr;
  const DecodedFn* fn = nullptr;
  char* regs = nullptr;
  u8* params = nullptr;  // lane-major, fn->param_bytes each
  u32 site = 0;          // index into Program::calls
  u32 ret_pc = 0;
  u32 local_base = 0;
  int depth = 0;
  int refs = 1;
};

struct Group {
  u32 pc = 0;
  u32 mask = 0;
  Frame* frame = nullptr;
  enum State : u8 { Ready, WaitSync, WaitBar } state = Ready;
  bool released = false;  // a WaitSync group matched by other groups: execute without waiting
  u32 need = 0;
  int barrier = -1;
  u32 penalty = 0;
};

struct CpAsync {  // one pending cp.async of one lane
  u32 dst;
  u32 size, src_size;
  u64 src;
  u32 group;
  const Insn* insn;
};

namespace window {  // generic address windows
inline constexpr u64 kShared = 0x0100000000000000ull, kLocal = 0x0200000000000000ull,
                     kParam = 0x0300000000000000ull, kFrameParam = 0x0400000000000000ull,
                     kMask = 0xff00000000000000ull;
}

class Warp {
 public:
  Block* block = nullptr;
  Grid* grid = nullptr;
  const Program* prog = nullptr;
  u32 id = 0;
  u32 alive = 0, dead = 0;
  Frame* frame = nullptr;
  char* base[2] = {};  // registers, constants
  std::vector<Group> groups;
  u32 tid[3][kWarp] = {};
  u64 icount = 0;
  u32 sync_epoch = 0;
  bool yield = false;
  std::vector<u8> local;
  u32 local_size = 0;
  std::vector<CpAsync> pending[kWarp];
  u32 cp_groups[kWarp] = {};
  u32 cc_carry = 0;  // condition-code carry, one bit per lane

  template <class T>
  T* r(s32 slot) const {
    return reinterpret_cast<T*>(base[slot < 0] + (slot < 0 ? ~slot : slot));
  }
  u32& pred(s32 slot) const {
    return *reinterpret_cast<u32*>(base[slot < 0] + (slot < 0 ? ~slot : slot));
  }

  void start(Block& b, u32 id, const DecodedFn& fn);
  enum class Stop { Done, Blocked, Slice };
  Stop run(u64 slice);
  bool done() const { return groups.empty(); }
  void release_barrier(int bar);
  void exit_lanes(u32 m);
  std::string position(const Group& g) const;
  void cleanup();
  Frame* new_frame(const DecodedFn& fn, Frame* parent);
  void drop_frame(Frame* f);

 private:
  bool pick();
  void merge_current();
  u32 stop_pc() const;
  void use(size_t g);
  void split(u32 stay_mask, u32 stay_pc, u32 go_pc);
  bool arrive(const Insn& I, u32 m);
  void call(const Insn& I, u32 m);
  void ret();
  bool resolve_cross_sync();
  size_t cur_ = 0;
  std::vector<Frame*> free_frames_;
};

struct Barrier {
  std::vector<u32> arrived;  // lanes per warp
  u32 extra = 0;             // warps counted by bar.arrive
  u32 expected = 0;          // warps; 0: all
  u32 pred_lanes = 0, pred_true = 0;
  bool used = false;
};

/// Shared-memory race shadow, one record per byte.
struct RaceCell {
  u32 epoch = 0;
  u16 writer = 0xffff, reader = 0xffff;
  u32 wsync = 0, rsync = 0;
  bool watomic = false, many_readers = false;
};

struct Block {
  Grid* grid = nullptr;
  u32 idx[3] = {};
  u64 linear = 0;
  std::vector<Warp> warps;
  std::vector<u8> shared;
  std::vector<u8> shared_init;  // CUDASIM_INITCHECK
  std::vector<RaceCell> race;   // CUDASIM_RACECHECK
  std::array<Barrier, 16> bars;
  u32 epoch = 1;
  u32 nthreads = 0;

  void start(Grid& g, u64 linear_index);
  /// Runs every warp once; returns true when anything progressed.
  bool step(u64 slice);
  bool done() const;
  void check_barriers();
  void complete(int bar);
};

struct Grid {
  const Program* prog = nullptr;
  std::string name;
  u32 grid[3] = {}, block[3] = {};
  u32 dynamic_shared = 0, shared_bytes = 0;
  std::vector<u8> params;
  bool cooperative = false;
  u64 workspace = 0;  // cooperative launches: what %envreg1/2 point cooperative groups at
  KernelStats* stats = nullptr;
  bool race = false, init = false;
  u64 id = 0;
  u64 executed = 0, limit = 0;
  u64 seed = 0;
  u64 rng = 0;
  u64 nblocks() const { return u64{grid[0]} * grid[1] * grid[2]; }
  u32 threads() const { return block[0] * block[1] * block[2]; }
  int resident_limit = 1;
};

/// Run the grid to completion; throws KernelFault.
void run_grid(Grid& g);

/// Simulated device.
struct Device {
  int arch, sms, max_threads_sm, smem_sm, smem_optin, regs_sm, max_blocks_sm;
  static const Device& get();
};

}  // namespace cudasim
