/**
 * The process of level L0: one job at a time, a line each way. It gives up root before the first job comes, and ends when
 * stdin ends (the parent is gone, however it went) or after a job that leaves it unsound.
 */
import quickjsPackage from '@jitl/quickjs-singlefile-mjs-release-sync/package.json' with { type: 'json' };
import { openModules } from './quickjs-modules.ts';
import { readLines } from './read-lines.ts';
import { runQuickjs } from './run-quickjs.ts';
import { type WasmAnswer, type WasmHello, type WasmJob, wasmLimits, type WasmStart } from './wasm-messages.ts';

const say = (message: WasmHello | WasmAnswer) => Bun.write(Bun.stdout, `${JSON.stringify(message)}\n`);

/** @throws Error when root could be had back. */
function becomeUid(uid: number): void {
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
  if (process.getuid?.() !== uid || process.geteuid?.() !== uid) throw new Error('the uid could not be changed');
  try {
    process.setuid?.(0);
  } catch {
    return;
  }
  throw new Error('root could be had back');
}

/** Runs jobs until stdin ends; gives the exit code. An entry of the program's own: `wasmCommand` starts it. */
export async function runWasmChild(): Promise<number> {
  const lines = readLines(Bun.stdin.stream(), wasmLimits.lineBytesMax);
  const start = await lines.next();
  if (start.done === true) return 1;
  // All that is read from files is read before the uid goes.
  const make = await openModules();
  const { uid } = JSON.parse(start.value) as WasmStart;
  if (uid !== null) becomeUid(uid);
  // Made before it is needed; a job that may have less memory gets one of its own.
  let next = make(wasmLimits.memoryBytes);
  await next;
  await say({ ready: true, uid: process.getuid?.() ?? -1, version: quickjsPackage.version });
  for await (const line of lines) {
    const job = JSON.parse(line) as WasmJob;
    const module = job.memoryBytes < wasmLimits.memoryBytes ? make(job.memoryBytes) : next;
    const answer = runQuickjs(await module, job);
    await say(answer);
    if (!answer.isSound) return 0;
    next = make(wasmLimits.memoryBytes);
    await next;
  }
  return 0;
}

// As a program of its own: what tests and a checkout start.
if (import.meta.main) process.exitCode = await runWasmChild();
