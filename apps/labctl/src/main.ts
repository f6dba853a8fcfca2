/**
 * The one program behind every name: `labctl` (also `labmesh`), `labmand`, and the hidden verb that runs the built-in
 * engine in a process of its own. A link with another name is enough, as with busybox.
 */
import { basename } from 'node:path';
import { runMain, type Main } from '@labmesh/kit/run';
import { dispatch } from './dispatch.ts';
import { processWorld } from './process-world.ts';

/** Which program runs under a name and first word; `labmesh labmand …` works without a link. */
function choose(name: string, argv: readonly string[]): Main | undefined {
  const verb = name === 'labmand' || name === 'portman-engine' ? name : argv[0];
  const rest = verb === name ? argv : argv.slice(1);
  if (verb === 'labmand') {
    return async (life) => (await import('@labmesh/labman/main')).labmandMain([...rest], life);
  }
  if (verb === 'portman-engine' || verb === 'engine-child') return undefined;
  return (life) => dispatch(argv, processWorld(life));
}

const main = choose(basename(process.argv0), process.argv.slice(2));
if (main !== undefined) await runMain(main);
// Not in a life of its own: the engine ends with its parent, and a Ctrl-C at the terminal is the parent's to hear.
else process.exit(await (await import('@labmesh/portman/engine-child')).runEngineChild());
