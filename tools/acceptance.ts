/**
 * `npm run acceptance`: the tests whose full counts take too long for each `npm test`, run at them, one after the other,
 * on a machine with time. `npm run acceptance -- fleet` runs those with the word in their name. What ran, how often, how
 * long and with what outcome goes to `bench/results/acceptance.json`; points that did not run this time keep theirs.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../checks/sources.ts';
import { labmeshVersion, machineFacts } from '../bench/report.ts';

type Point = { name: string; what: string; file: string; variables: Record<string, string> };

/** Each longer than any of them takes on two slow cores. */
const testTimeoutMs = 3_600_000;
const million = '1000000';

const points: readonly Point[] = [
  point('fleet-3', '1,000 commands, TTY and pipes, byte for byte', 'daemons/agent/src/exec/torture.test.ts', {
    LABMESH_TORTURE: '1000',
  }),
  point('fleet-3-daemons', 'the same over the real daemons, and 1 GiB copied', 'tests/fleet-torture.test.ts', {
    LABMESH_TORTURE: '1000',
    LABMESH_TORTURE_COPY_MIB: '1024',
  }),
  point('fleet-4-agent', '1,000 random cuts of sessions', 'daemons/agent/src/cuts.test.ts', { LABMESH_CUTS: '1000' }),
  point('fleet-4-relay', '1,000 random cuts of a relay', 'packages/link/src/relay-cuts.test.ts', {
    LABMESH_CUTS: '1000',
  }),
  point('fleet-5', '10,000 attempts to come in, none admitted', 'tests/fleet-hostile.test.ts', {
    LABMESH_HOSTILE: '10000',
  }),
  point('fleet-6-codec', 'a million mutated frames decoded', 'packages/wire/src/frame/codec.test.ts', {
    LABMESH_FUZZ_RUNS: million,
  }),
  point('fleet-6-link', 'a million mutated frames on a link', 'packages/link/src/link.test.ts', {
    LABMESH_FUZZ_RUNS: million,
  }),
  point('fleet-9-storm', 'a replica killed while 400 machines enrol', 'tests/fleet-replica-kills.test.ts', {
    LABMESH_CROWD: '400',
  }),
  point('fleet-idle', 'ten minutes of silence through proxies that cut after 20 s', 'tests/fleet-idle.test.ts', {
    LABMESH_IDLE_S: '600',
  }),
  point('fleet-rules', '100,000 policies against the plain reading of them', 'daemons/labd/src/access/rules', {
    LABMESH_FUZZ_RUNS: '100000',
  }),
  point(
    'tunnel-a2',
    '200 fresh McEliece keys, both encodings',
    'packages/rosenpass/src/mceliece/generate/generate-key-pair.test.ts',
    { LABMESH_KEYS: '100' },
  ),
  point(
    'tunnel-a3-exchange',
    'a million hostile datagrams, Rosenpass',
    'packages/rosenpass/src/key-exchange-attack.test.ts',
    {
      LABMESH_FUZZ_DATAGRAMS: million,
    },
  ),
  point(
    'tunnel-a3-wireguard',
    'a million hostile datagrams, own data plane',
    'packages/wireguard/src/dataplane/data-plane-attack.test.ts',
    {
      LABMESH_FUZZ_DATAGRAMS: million,
    },
  ),
  point(
    'tunnel-a8',
    'ten minutes of a stream, an exchange each 15 s, no pause over 250 ms',
    'tests/tunnel-story.test.ts',
    {
      LABMESH_STREAM_S: '600',
      LABMESH_GAP_MS: '250',
    },
  ),
  point('tunnel-outages', 'ten minutes suspended', 'tests/tunnel-outages.test.ts', { LABMESH_FROZEN_S: '600' }),
  point('tunnel-a13', '50 sites join at once', 'tests/tunnel-many.test.ts', { LABMESH_SITES: '50' }),
];

function point(name: string, what: string, file: string, variables: Record<string, string>): Point {
  return { name, what, file, variables };
}

type Outcome = Omit<Point, 'name'> & { date: string; passed: number; failed: number; skipped: number; seconds: number };

const count = (said: string, word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, 'm').exec(said)?.[1] ?? 0);

async function run({ name, variables, ...rest }: Point): Promise<Outcome> {
  const from = performance.now();
  const child = Bun.spawn([process.execPath, 'test', `--timeout=${testTimeoutMs}`, `./${rest.file}`], {
    cwd: root,
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, said, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const seconds = Math.round((performance.now() - from) / 1_000);
  const [passed, skipped] = [count(said, 'pass'), count(said, 'skip')];
  // A crash or a time-out leaves no failed test behind.
  const failed = Math.max(count(said, 'fail'), status === 0 ? 0 : 1);
  console.log(`${name}: ${rest.what}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds} s`);
  if (failed > 0) console.log(`${out}\n${said}`.slice(-8_000));
  return { ...rest, variables, date: new Date().toISOString(), passed, failed, skipped, seconds };
}

const words = process.argv.slice(2);
const path = join(root, 'bench/results/acceptance.json');
const kept = existsSync(path)
  ? (JSON.parse(readFileSync(path, 'utf8')) as { points: Record<string, Outcome> }).points
  : {};
const results: Record<string, Outcome> = {};
let failures = 0;
for (const one of points) {
  const wanted = words.length === 0 || words.some((word) => one.name.includes(word));
  const outcome = wanted ? await run(one) : kept[one.name];
  if (outcome === undefined) continue;
  results[one.name] = outcome;
  if (wanted) failures += outcome.failed;
  const versions = { bun: Bun.version, labmesh: labmeshVersion() };
  // After each: a long run that is ended keeps what it has.
  const points = { ...kept, ...results };
  writeFileSync(path, `${JSON.stringify({ machine: machineFacts(false), versions, points }, null, 2)}\n`);
}
process.exitCode = failures > 0 ? 1 : 0;
