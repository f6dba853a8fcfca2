import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cases, makeCase, Pairing } from './exchange-cases.ts';
import { checkExample, checkExport, checkKeys, checkOtherLayout, checkSaved } from './file-checks.ts';
import { checkGlare, checkLoss, checkRefusal, refusals } from './hard-cases.ts';
import { type Bench, makeBench } from './make-bench.ts';
import { builtPrograms, namedPrograms, type Program } from './programs.ts';
import { makeSides } from './sides.ts';
import type { Transcript } from './transcript.ts';

/** Exchanges keys with other programs: see README.md. Exit code 1 when one thing is not as it should be. */
const { values } = parseArgs({
  options: { timers: { type: 'boolean', default: false }, save: { type: 'string' }, only: { type: 'string' } },
});

async function checkFiles(bench: Bench): Promise<void> {
  checkKeys(bench);
  await checkOtherLayout(bench);
  checkExample(bench);
  const folder = join(bench.folder, 'files');
  const sides = await makeSides(folder, { ...bench.pairs, begins: 'theirs' });
  await checkSaved(bench, sides.theirs);
  // Both an endpoint and a preshared key are too much for the command line of Rosenpass 0.2.
  const zeros = Buffer.alloc(32).toString('base64');
  const presharedKeys = { ours: zeros, theirs: zeros };
  checkExport(bench, (await makeSides(folder, { ...bench.pairs, begins: 'theirs', presharedKeys })).theirs);
}

async function checkHardCases(bench: Bench): Promise<void> {
  for (const refusal of refusals) await checkRefusal(bench, refusal);
  for (const begins of ['ours', 'theirs'] as const) await checkLoss(bench, begins);
  for (const isOursSmaller of [true, false]) await checkGlare(bench, isOursSmaller);
}

/** One after another, so that the times mean something; the wait for the timers is one for all. */
async function checkExchanges(bench: Bench): Promise<void> {
  await using open = new AsyncDisposableStack();
  const pairings: Pairing[] = [];
  for (const one of cases) {
    const pairing = open.use(new Pairing(bench, await makeCase(bench, one), one));
    await pairing.first();
    await pairing.again();
    pairings.push(pairing);
  }
  if (values.timers) await Promise.all(pairings.map((pairing) => pairing.later()));
}

async function crossCheck(program: Program): Promise<Transcript> {
  using bench = await makeBench(program);
  const { transcript } = bench;
  transcript.say(`${program.name} against labmesh over 127.0.0.1`);
  await checkFiles(bench);
  await checkHardCases(bench);
  await checkExchanges(bench);
  transcript.say(`${transcript.failures} failed`);
  return transcript;
}

const named = namedPrograms();
const there = named.length > 0 ? named : builtPrograms();
const programs = there.filter(({ name }) => name.includes(values.only ?? ''));
if (programs.length === 0) throw new Error('no other program is there: run build.ts, or name one; see README.md');
for (const program of programs) {
  const { lines, failures } = await crossCheck(program);
  if (failures > 0) process.exitCode = 1;
  if (values.save === undefined) continue;
  mkdirSync(values.save, { recursive: true });
  writeFileSync(join(values.save, `${program.name.replaceAll(' ', '-')}.txt`), `${lines.join('\n')}\n`);
}
