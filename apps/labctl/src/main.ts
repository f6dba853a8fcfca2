/**
 * The one program behind every name: `labctl` (also `labmesh`), `labmand`, `labman`, `labd`, `lab-agent`, and the hidden verb that
 * runs the built-in engine in a process of its own. A link with another name is enough, as with busybox.
 */
import { basename } from 'node:path';
import { runMain, type Main } from '@labmesh/kit/run';
import { dispatch } from './dispatch.ts';
import { processWorld } from './process-world.ts';
import { selfCommand } from './self-command.ts';

/** Programs beside labctl, by name; each is loaded only when it is meant. */
const programs: Readonly<Record<string, (argv: string[]) => Main>> = {
  labmand: (argv) => async (life) => (await import('@labmesh/labman/labmand-main')).labmandMain(argv, life),
  labman: (argv) => async (life) => (await import('@labmesh/labman/cli/labman-main')).labmanMain(argv, life),
  labd: (argv) => async (life) => (await import('@labmesh/labd/labd-main')).labdMain(argv, life),
  'lab-agent': (argv) => async (life) =>
    (await import('@labmesh/agent/agent-main')).agentMain(argv, life, selfCommand('lab-agent')),
  'lab-executor': (argv) => async (life) =>
    (await import('@labmesh/executor/executor-main')).executorMain(argv, life, selfCommand('wasm-child')),
};

/**
 * Processes that the program starts of itself. Not in a life of their own: they end with their parent, and a Ctrl-C at
 * the terminal is the parent's to hear.
 */
const engineChild = async () => (await import('@labmesh/portman/engine-child')).runEngineChild();
const children: Readonly<Record<string, () => Promise<number>>> = {
  'portman-engine': engineChild,
  'engine-child': engineChild,
  'wasm-child': async () => (await import('@labmesh/sandbox/wasm/wasm-child')).runWasmChild(),
};

/** What runs under a name and first word; `labmesh labmand …` works without a link. Gives the exit code, or ends itself. */
function choose(name: string, argv: readonly string[]): () => Promise<number> {
  const isNamed = Object.hasOwn(programs, name) || name === 'portman-engine';
  const verb = isNamed ? name : (argv[0] ?? '');
  const child = Object.hasOwn(children, verb) ? children[verb] : undefined;
  if (child !== undefined) return child;
  const program = Object.hasOwn(programs, verb) ? programs[verb] : undefined;
  const main: Main = program?.([...(isNamed ? argv : argv.slice(1))]) ?? ((life) => dispatch(argv, processWorld(life)));
  return () => runMain(main);
}

process.exit(await choose(basename(process.argv0), process.argv.slice(2))());
