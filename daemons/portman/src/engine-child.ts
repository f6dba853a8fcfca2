/**
 * The process of the built-in engine. llama.cpp is native code that may crash or take all memory; here it takes only
 * itself down. The process ends when its stdin ends (the parent is gone, however it went) and on SIGTERM.
 */
import { createLogger } from '@labmesh/kit/log';
import { loadLlamaLibrary } from './engine/llama-library.ts';
import { startEngineServer } from './engine-server.ts';
import { engineLimits, engineParametersSchema, type EngineMessage, type EngineParameters } from './engine-messages.ts';

/** Time for running evaluations to end before the process goes anyway. */
const endMs = 2_000;

const say = (message: EngineMessage) => void process.stdout.write(`${JSON.stringify(message)}\n`);

/** Takes the first line of stdin; `ended` resolves when the parent has closed it. */
async function readParameters(): Promise<{ parameters: EngineParameters; ended: Promise<void> }> {
  const reader = Bun.stdin.stream().getReader();
  const decoder = new TextDecoder();
  let text = '';
  while (!text.includes('\n')) {
    const { done, value } = await reader.read();
    if (done) throw new Error('stdin ended before the parameters came; this command is started by labmesh itself');
    text += decoder.decode(value, { stream: true });
    if (text.length > engineLimits.parametersBytesMax) throw new Error('the parameters are too long');
  }
  const ended = (async () => {
    while (!(await reader.read()).done);
  })();
  return { parameters: engineParametersSchema.parse(JSON.parse(text.slice(0, text.indexOf('\n')))), ended };
}

const terminated = () =>
  new Promise<void>((resolve) => {
    // Not `once`: a package under the library (signal-exit) raises the signal again when it finds no listener but its own.
    process.on('SIGTERM', () => resolve());
    // Ctrl-C at a terminal reaches us too, but it is the parent's to hear: it still drains what we are answering.
    process.on('SIGINT', () => {});
  });

/**
 * Runs the child until it is told to end. Gives the exit code; the caller exits with it, because native threads may
 * keep the process alive otherwise.
 */
export async function runEngineChild(): Promise<number> {
  // The library tries its native part in a forked process first, on some machines. In a single-file program the fork
  // would start this program again; the variable makes it act as plain Bun there.
  process.env['BUN_BE_BUN'] = '1';
  try {
    const stopped = terminated();
    // Started before it is needed: it takes longer than all else. A failure is told when the server asks again.
    loadLlamaLibrary().catch(() => undefined);
    const { parameters, ended } = await readParameters();
    const log = createLogger({ level: 'warn', format: 'pretty' });
    let last = 0;
    const onProgress = (progress: number) => {
      if (progress - last < 0.05) return;
      last = progress;
      say({ event: 'loading', progress });
    };
    const server = await startEngineServer(parameters, { log, onProgress });
    say({ event: 'listening', port: server.port });
    const over = Promise.race([stopped, ended]);
    const loaded = await Promise.race([server.ready, over]);
    if (loaded) say({ event: 'ready', ready: true, port: server.port, ...loaded });
    await over;
    await Promise.race([server[Symbol.asyncDispose](), Bun.sleep(endMs)]);
    return 0;
  } catch (error) {
    say({ event: 'failed', message: error instanceof Error ? error.message : String(error) });
    return 1;
  }
}

if (import.meta.main) process.exit(await runEngineChild());
