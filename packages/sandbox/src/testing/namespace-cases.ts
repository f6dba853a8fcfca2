/** Ways out of level L1 by what a sandbox can see and touch. */
import { callNumber, deniedCalls, inspectedCalls } from '../seccomp/syscall-numbers.ts';
import { type EscapeCase, mustTell } from './escape-case.ts';
import { hostProcesses } from './escape-world.ts';

/** Python that tells what it saw as one JSON object. */
export const python = (code: string) => ({
  language: 'python' as const,
  code: `${helpers}\n${code}\nprint(json.dumps(told))`,
});

const helpers = `
import ctypes, errno, json, os, socket, stat, sys
told = {}
libc = ctypes.CDLL(None, use_errno=True)
def name(error): return errno.errorcode.get(error.errno, str(error)) if isinstance(error, OSError) else type(error).__name__
def attempt(act):
    try: act()
    except Exception as error: return name(error)
    return 'done'
def call(nr, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(nr), *[ctypes.c_long(arg) for arg in args])
    return 'done' if result >= 0 else errno.errorcode.get(ctypes.get_errno(), '?')
def dial(family, address):
    probe = socket.socket(family, socket.SOCK_STREAM)
    probe.settimeout(2)
    return attempt(lambda: probe.connect(address))
`;

const architecture = process.arch === 'arm64' ? 'arm64' : 'x64';
const denied = Object.entries(deniedCalls).flatMap(([name, numbers]) => {
  const nr = callNumber(numbers, architecture);
  return nr === undefined ? [] : [[name, nr] as const];
});
const cloneNumber = callNumber(inspectedCalls.clone, architecture) ?? -1;
const clone3Number = callNumber(inspectedCalls.clone3, architecture) ?? -1;
const unshareNumber = callNumber(deniedCalls['unshare'] ?? [0, 0], architecture) ?? -1;
const newUser = 0x10000000;

const network: EscapeCase[] = [
  {
    name: 'host loopback',
    job: ({ port }) => python(`told['dial'] = dial(socket.AF_INET, ('127.0.0.1', ${port}))`),
    fault: (seen, world) =>
      mustTell(seen, { dial: 'ECONNREFUSED' }) ?? (world.visitors() > 0 ? 'got through' : undefined),
  },
  {
    name: 'metadata address',
    job: () => python(`told['dial'] = dial(socket.AF_INET, ('169.254.169.254', 80))`),
    fault: (seen) => mustTell(seen, { dial: 'ENETUNREACH' }),
  },
  {
    name: 'abstract sockets',
    job: ({ abstractName }) => python(`told['dial'] = dial(socket.AF_UNIX, '\\0${abstractName}')`),
    fault: (seen) => mustTell(seen, { dial: 'ECONNREFUSED' }),
  },
  {
    name: 'network interfaces',
    job: () => python(`told['names'] = [name for _, name in socket.if_nameindex()]`),
    fault: (seen) => mustTell(seen, { names: ['lo'] }),
  },
];

const files: EscapeCase[] = [
  {
    name: 'writes outside of /tmp',
    job: () =>
      python(`
places = ['/x', '/usr/x', '/usr/bin/x', '/etc/x', '/lib/x', '/dev/x', '/opt/x', '/proc/x', '/home/x']
told['made'] = [place for place in places if attempt(lambda: open(place, 'w')) == 'done' or attempt(lambda: os.mkdir(place)) == 'done']
told['open'] = [place for place in ['/', '/usr', '/dev', '/proc/sys'] if not os.statvfs(place).f_flag & os.ST_RDONLY]
told['suid'] = [place for place in ['/usr', '/tmp', '/dev'] if not os.statvfs(place).f_flag & os.ST_NOSUID]`),
    fault: (seen) => mustTell(seen, { made: [], open: [], suid: [] }),
  },
  {
    name: 'kernel settings',
    job: () =>
      python(`
places = ['/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hostname', '/proc/sys/user/max_user_namespaces', '/proc/sys/net/ipv4/ip_forward', '/proc/sysrq-trigger', '/proc/1/oom_score_adj', '/proc/irq/default_smp_affinity']
def put(place):
    with open(place, 'r+') as file: file.write('1'); file.flush()
told['written'] = [place for place in places if attempt(lambda: put(place)) == 'done' and not place.startswith('/proc/1/')]
told['protected'] = attempt(lambda: os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'-1000'))`),
    fault: (seen) =>
      mustTell(seen, { written: [] }) ??
      (seen.told?.['protected'] === 'done' ? 'can protect itself from the end for want of memory' : undefined),
  },
  {
    name: 'host folders',
    job: () =>
      python(`
told['root'] = sorted(name for name in os.listdir('/') if name not in ('lib32', 'libx32'))
told['etc'] = [name for name in (os.listdir('/etc') if os.path.exists('/etc') else []) if name != 'alternatives']
told['cwd'] = os.getcwd()
told['there'] = [place for place in ['/root', '/home', '/var', '/sys', '/run', '/boot', '/mnt', '/proc/1/root/root'] if os.path.exists(place)]`),
    fault: (seen) => {
      const root = (seen.told?.['root'] as string[] | undefined)?.filter((name) => !['etc', 'opt'].includes(name));
      const fault = mustTell(seen, { etc: [], there: [], cwd: '/tmp' });
      if (fault !== undefined) return fault;
      return Bun.deepEquals(root, ['bin', 'dev', 'lib', 'lib64', 'proc', 'tmp', 'usr'])
        ? undefined
        : `/ holds ${String(root)}`;
    },
  },
  {
    name: 'devices',
    job: () =>
      python(`
told['dev'] = sorted(os.listdir('/dev'))
told['opened'] = [place for place in ['/dev/mem', '/dev/kmsg', '/dev/kvm', '/dev/vda', '/dev/sda', '/dev/net/tun', '/dev/fuse'] if attempt(lambda: open(place, 'rb')) == 'done']
told['node'] = attempt(lambda: os.mknod('/tmp/node', 0o600 | stat.S_IFBLK, os.makedev(254, 0)))
told['null'] = attempt(lambda: open('/dev/null', 'w').write('x'))`),
    fault: (seen) =>
      mustTell(seen, {
        dev: 'core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero'.split(' '),
        opened: [],
        node: 'EPERM',
        null: 'done',
      }),
  },
];

const processes: EscapeCase[] = [
  {
    name: 'environment',
    job: () =>
      python(`
told['names'] = sorted(set(os.environ) - {'BUN_BE_BUN', 'LC_CTYPE'})
told['values'] = [os.environ.get('PATH'), os.environ.get('HOME'), os.environ.get('LANG')]
told['all'] = open('/proc/self/environ').read()`),
    fault: (seen, { marker }) =>
      mustTell(seen, { names: ['HOME', 'LANG', 'PATH', 'PWD'], values: ['/usr/bin:/bin', '/tmp', 'C.UTF-8'] }) ??
      (String(seen.told?.['all']).includes(marker) ? "the starter's environment is inside" : undefined),
  },
  {
    name: 'descriptors',
    job: () =>
      python(`
def kind(fd):
    try: return 'pipe' if stat.S_ISFIFO(os.fstat(fd).st_mode) else 'other'
    except OSError: return None
told['open'] = {str(fd): kind(fd) for fd in range(1024) if kind(fd)}
told['err'] = attempt(lambda: open('/dev/stderr', 'w').write('x'))`),
    fault: (seen) => mustTell(seen, { open: { '0': 'pipe', '1': 'pipe', '2': 'pipe' }, err: 'done' }),
  },
  {
    name: 'host processes',
    job: ({ hostPid }) =>
      python(`
told['pids'] = sorted(int(name) for name in os.listdir('/proc') if name.isdigit())
told['kill'] = attempt(lambda: os.kill(${hostPid}, 9))
told['session'] = os.getsid(0)
told['init'] = [fd for fd in (os.listdir('/proc/1/fd') if attempt(lambda: os.listdir('/proc/1/fd')) == 'done' else [])
    if int(fd) > 2 and attempt(lambda: open('/proc/1/fd/' + fd, 'wb')) == 'done']`),
    fault: (seen, { hostPid }) => {
      if (!hostProcesses().some(({ pid }) => pid === hostPid)) return 'it killed a process of the host';
      if (seen.told?.['session'] === 0) return 'it is in a session of the host';
      return mustTell(seen, { pids: [1, 2], kill: 'ESRCH', init: [] });
    },
  },
  {
    name: 'shared memory of the host',
    job: () => python(`told['segments'] = open('/proc/sysvipc/shm').read().count('\\n') - 1`),
    fault: (seen) => mustTell(seen, { segments: 0 }),
  },
  {
    name: 'host name',
    job: () => python(`told['host'] = socket.gethostname()`),
    fault: (seen) => mustTell(seen, { host: 'sandbox' }),
  },
];

const kernel: EscapeCase[] = [
  {
    name: 'denied calls',
    job: () =>
      python(
        `told['open'] = [name for name, nr in ${JSON.stringify(denied)} if call(nr, -1, -1, -1, -1, -1) != 'EPERM']`,
      ),
    fault: (seen) => mustTell(seen, { open: [] }),
  },
  {
    name: 'new namespaces',
    job: () =>
      python(`
def clone():
    result = libc.syscall(ctypes.c_long(${cloneNumber}), ctypes.c_long(${newUser} | 17), *[ctypes.c_long(0)] * 4)
    if result == 0: os._exit(0)
    return 'done' if result > 0 else 'refused'
told['clone'] = clone()
told['unshare'] = 'done' if call(${unshareNumber}, ${newUser}) == 'done' else 'refused'
told['clone3'] = 'done' if call(${clone3Number}, 0, 0) == 'done' else 'refused'`),
    fault: (seen) => mustTell(seen, { clone: 'refused', unshare: 'refused', clone3: 'refused' }),
  },
  {
    name: 'privileges',
    job: () =>
      python(`
lines = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
told['caps'] = [int(lines['Cap' + name], 16) for name in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')]
told['flags'] = [lines['NoNewPrivs'].strip(), lines['Seccomp'].strip()]
told['groups'] = os.getgroups() == [os.getgid()] or os.getgroups() == []
told['root'] = os.getuid() == 0 or os.geteuid() == 0
told['become'] = attempt(lambda: os.setuid(0))`),
    fault: (seen) =>
      mustTell(seen, { caps: [0, 0, 0, 0, 0], flags: ['1', '2'], groups: true, root: false, become: 'EINVAL' }),
  },
  {
    name: 'typing into a terminal',
    job: () =>
      python(`
import fcntl, termios
# A terminal of its own, to be the one it controls: only then could it type into it.
if os.fork() > 0:
    os.wait()
    os._exit(0)
os.setsid()
master, slave = os.openpty()
fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
told['type'] = attempt(lambda: fcntl.ioctl(slave, termios.TIOCSTI, b'x'))`),
    fault: (seen) => mustTell(seen, { type: 'EPERM' }),
  },
  {
    name: 'process limits',
    job: () =>
      python(`
import resource
told['limits'] = [list(resource.getrlimit(what)) for what in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU)]`),
    fault: (seen) =>
      mustTell(seen, {
        limits: [
          [0, 0],
          [64, 64],
          [67_108_864, 67_108_864],
          [30, 31],
        ],
      }),
  },
];

export const namespaceCases: readonly EscapeCase[] = [...network, ...files, ...processes, ...kernel];
