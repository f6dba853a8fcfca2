/** What the one program can be, by name: each is loaded only when it is meant, so that none pays for the others. */
import type { Main } from '@labmesh/kit/run';
import { selfCommand } from './self-command.ts';

/** Programs beside labctl. */
export const programs: Readonly<Record<string, (argv: string[]) => Main>> = {
  labmand: (argv) => async (life) => (await import('@labmesh/labman/labmand-main')).labmandMain(argv, life),
  labman: (argv) => async (life) => (await import('@labmesh/labman/cli/labman-main')).labmanMain(argv, life),
  labd: (argv) => async (life) => (await import('@labmesh/labd/labd-main')).labdMain(argv, life),
  'lab-agent': (argv) => async (life) =>
    (await import('@labmesh/agent/agent-main')).agentMain(argv, life, selfCommand('lab-agent')),
  'lab-arena': (argv) => async (life) => (await import('@labmesh/arena/arena-main')).arenaMain(argv, life),
  'lab-executor': (argv) => async (life) =>
    (await import('@labmesh/executor/executor-main')).executorMain(argv, life, selfCommand('wasm-child')),
};

/**
 * Processes that the program starts of itself. Not in a life of their own: they end with their parent, and a Ctrl-C at
 * the terminal is the parent's to hear.
 */
const engineChild = async () => (await import('@labmesh/portman/engine-child')).runEngineChild();
export const children: Readonly<Record<string, () => Promise<number>>> = {
  'portman-engine': engineChild,
  'engine-child': engineChild,
  'wasm-child': async () => (await import('@labmesh/sandbox/wasm/wasm-child')).runWasmChild(),
};
