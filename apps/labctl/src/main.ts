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
};

/** Which program runs under a name and first word; `labmesh labmand …` works without a link. */
function choose(name: string, argv: readonly string[]): Main | undefined {
  const isNamed = Object.hasOwn(programs, name) || name === 'portman-engine';
  const verb = isNamed ? name : (argv[0] ?? '');
  const program = Object.hasOwn(programs, verb) ? programs[verb] : undefined;
  if (program !== undefined) return program([...(isNamed ? argv : argv.slice(1))]);
  if (verb === 'portman-engine' || verb === 'engine-child') return undefined;
  return (life) => dispatch(argv, processWorld(life));
}

const main = choose(basename(process.argv0), process.argv.slice(2));
if (main !== undefined) await runMain(main);
// Not in a life of its own: the engine ends with its parent, and a Ctrl-C at the terminal is the parent's to hear.
else process.exit(await (await import('@labmesh/portman/engine-child')).runEngineChild());
