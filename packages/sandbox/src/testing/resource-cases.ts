/** Ways to take more of the host than was given: bombs, floods, and what outlives its sandbox. */
import { readFileSync } from 'node:fs';
import { sharedMemoryBytes } from '../namespace/recipe.ts';
import { type EscapeCase, mustEnd, mustTell } from './escape-case.ts';
import { type HostProcess, hostProcesses } from './escape-world.ts';
import { python } from './namespace-cases.ts';

const mib = 1024 * 1024;
const pids = 16;
/** Seen in a command line, and in no other's. */
const sleeperSeconds = `61.${process.pid}`;

const bombs: EscapeCase[] = [
  {
    name: 'fork bomb',
    job: () => ({
      ...python(`
import signal
children = []
try:
    while len(children) < 200:
        child = os.fork()
        if child == 0: signal.pause()
        children.append(child)
except OSError: pass
told['forks'] = len(children)`),
      limits: { pids, wallMs: 10_000 },
    }),
    fault: (seen) => {
      const forks = Number(seen.told?.['forks']);
      return mustTell(seen, {}) ?? (forks > 0 && forks < pids ? undefined : `${forks} processes`);
    },
  },
  {
    name: 'thread bomb',
    job: () => ({
      ...python(`
import threading
count = 0
try:
    while count < 200:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        count += 1
except RuntimeError: pass
told['threads'] = count
print(json.dumps(told)); sys.stdout.flush(); os._exit(0)`),
      limits: { pids, wallMs: 10_000 },
    }),
    fault: (seen) => {
      const threads = Number(seen.told?.['threads']);
      return mustTell(seen, {}) ?? (threads > 0 && threads < pids ? undefined : `${threads} threads`);
    },
  },
  {
    name: 'memory bomb',
    job: () => ({
      ...python(`
held = []
for _ in range(256): held.append(b'x' * ${mib})`),
      limits: { memoryBytes: 64 * mib },
    }),
    fault: (seen) => mustEnd(seen, 'oom', 'nonzero'),
  },
  {
    name: 'processor bomb',
    job: () => ({ ...python('while True: pass'), limits: { cpuMs: 1000, wallMs: 20_000 } }),
    fault: (seen) => mustEnd(seen, 'cpu'),
  },
  {
    name: 'sleeper',
    job: () => ({ argv: ['/usr/bin/sleep', '60'], limits: { wallMs: 200 } }),
    fault: (seen) => mustEnd(seen, 'wall'),
  },
];

const floods: EscapeCase[] = [
  ...(['stdout', 'stderr'] as const).map((stream): EscapeCase => ({
    name: `${stream} flood`,
    job: () => ({
      argv: ['/usr/bin/bash', '-c', `exec yes ${stream === 'stderr' ? '1>&2' : ''}`],
      limits: { outputBytes: 100_000 },
    }),
    fault: (seen) =>
      mustEnd(seen, 'output') ??
      (seen[stream].length === 100_000 && seen.truncated ? undefined : 'the cap did not hold'),
  })),
  {
    name: 'sparse file',
    job: () =>
      python(`
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open('/tmp/sparse', 'wb') as file: told['grow'] = attempt(lambda: os.truncate(file.fileno(), ${1024 * mib}))
told['size'] = os.path.getsize('/tmp/sparse')`),
    fault: (seen) => mustTell(seen, { grow: 'EFBIG', size: 0 }),
  },
  ...(
    [
      ['/tmp', 64 * mib],
      ['/dev/shm', sharedMemoryBytes],
    ] as const
  ).map(([folder, room]): EscapeCase => ({
    name: `${folder} fill`,
    job: () =>
      python(`
held = 0
def fill():
    global held
    for number in range(200):
        with open(f'${folder}/{number}', 'wb', buffering=0) as file: held += file.write(bytes(${mib}))
told['end'] = attempt(fill)
told['held'] = held`),
    fault: (seen) => {
      const held = Number(seen.told?.['held']);
      return mustTell(seen, { end: 'ENOSPC' }) ?? (held > 0 && held <= room ? undefined : `${held} bytes`);
    },
  })),
];

/** The bwrap that this process started. */
function outer(): HostProcess | undefined {
  return hostProcesses().find(({ parent, words }) => parent === process.pid && /bwrap/.test(words[0] ?? ''));
}

async function until<T>(look: () => T | undefined, ms: number): Promise<T | undefined> {
  for (const end = performance.now() + ms; performance.now() < end; await Bun.sleep(10)) {
    const found = look();
    if (found !== undefined) return found;
  }
  return undefined;
}

const survivors = () => hostProcesses().filter(({ words }) => words.includes(sleeperSeconds));

const traces: EscapeCase[] = [
  {
    name: 'daemon',
    job: () =>
      python(`
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in (0, 1, 2): os.close(fd)
        os.execv('/usr/bin/sleep', ['sleep', '${sleeperSeconds}'])
    os._exit(0)
import time
time.sleep(0.1)`),
    fault: async (seen) => {
      const gone = await until(() => (survivors().length === 0 ? true : undefined), 1000);
      for (const { pid } of survivors()) process.kill(pid, 'SIGKILL');
      return gone === undefined ? 'it lives on' : mustTell(seen, {});
    },
  },
  {
    name: 'outer process',
    job: () => ({ argv: ['/usr/bin/sleep', '0.5'] }),
    meanwhile: async () => {
      const found = await until(outer, 5000);
      if (found === undefined) return 'bwrap is not there';
      const status = readFileSync(`/proc/${found.pid}/status`, 'utf8');
      const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.trim();
      if (found.uid === 0) return 'bwrap has uid 0';
      if (process.getuid?.() === 0 && field('Groups') !== '') return `bwrap is in groups ${field('Groups')}`;
      const caps = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb', ...(process.getuid?.() === 0 ? ['CapBnd'] : [])];
      const held = caps.find((name) => !/^0+$/.test(field(name) ?? ''));
      return held === undefined ? undefined : `bwrap has ${held} ${field(held)}`;
    },
    fault: (seen) => mustEnd(seen, 'ok'),
  },
];

export const resourceCases: readonly EscapeCase[] = [...bombs, ...floods, ...traces];
