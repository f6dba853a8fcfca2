/**
 * The one program behind every name: `labctl` (also `labmesh`), `labmand`, `labman`, `labd`, `lab-agent`,
 * `lab-arena`, `lab-executor`, and the hidden verb that runs the built-in engine in a process of its own. A link with another name is enough, as with busybox.
 */
import { basename } from 'node:path';
import { runMain, type Main } from '@labmesh/kit/run';
import { dispatch } from './dispatch.ts';
import { processWorld } from './process-world.ts';
import { children, programs } from './programs.ts';

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
