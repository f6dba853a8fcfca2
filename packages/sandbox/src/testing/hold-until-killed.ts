/** Begins one chain, tells the number of its process, and waits to be killed; for tests. */
import { readFileSync } from 'node:fs';
import { noCgroups } from '../cgroup/open-cgroups.ts';
import { HeldChains } from '../namespace/held-chains.ts';

const [seccompPath = ''] = process.argv.slice(2);
const held = new HeldChains({ uids: undefined, cgroups: noCgroups('left out for a test'), seccompPath, max: 1 });
const kind = { words: () => ['/usr/bin/env'], env: {} };
held.begin(kind);
held.done(kind);
const [waiter = ''] = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
process.stdout.write(`${waiter}\n`);
await Bun.sleep(600_000);
