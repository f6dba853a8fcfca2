/** System calls that the filter names, by their numbers on the two architectures (asm/unistd_64.h, asm-generic/unistd.h). */
export type Architecture = 'x64' | 'arm64';

/** AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64 of linux/audit.h: what seccomp_data.arch holds. */
export const auditArchitectures: Readonly<Record<Architecture, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** [x86-64, arm64]; null where the architecture has no such call. */
type Numbers = readonly [number, number | null];

/** Looked at by their arguments, or answered with ENOSYS. */
export const inspectedCalls = {
  ioctl: [16, 29],
  clone: [56, 220],
  clone3: [435, 435],
} as const satisfies Record<string, Numbers>;

/** Refused with EPERM whatever their arguments (verification SB9). */
export const deniedCalls: Readonly<Record<string, Numbers>> = {
  // Other processes' memory, descriptors and threads.
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  kcmp: [312, 272],
  pidfd_getfd: [438, 438],
  // Mounts, roots and namespaces.
  mount: [165, 40],
  mount_setattr: [442, 442],
  umount2: [166, 39],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  move_mount: [429, 429],
  open_tree: [428, 428],
  open_tree_attr: [467, 467],
  pivot_root: [155, 41],
  chroot: [161, 51],
  unshare: [272, 97],
  setns: [308, 268],
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  // Parts of the kernel with a long history of holes.
  bpf: [321, 280],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  userfaultfd: [323, 282],
  perf_event_open: [298, 241],
  memfd_secret: [447, 447],
  // The machine itself.
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  create_module: [174, null],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  query_module: [178, null],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  syslog: [103, 116],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  personality: [135, 92],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  iopl: [172, null],
  ioperm: [173, null],
  sethostname: [170, 161],
  setdomainname: [171, 162],
};

/** The number of a call, or undefined where there is none. */
export const callNumber = (numbers: Numbers, architecture: Architecture): number | undefined =>
  numbers[architecture === 'x64' ? 0 : 1] ?? undefined;
