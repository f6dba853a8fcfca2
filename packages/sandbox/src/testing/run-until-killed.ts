/** A small executor that runs one sleeping job until it is killed; for tests. */
import { silentLogger } from '@labmesh/kit/log';
import { sandboxJobSchema } from '@labmesh/wire/verification/sandbox';
import { noCgroups } from '../cgroup/open-cgroups.ts';
import { runNamespace } from '../namespace/run-namespace.ts';
import { UidPool } from '../namespace/uid-pool.ts';
import type { KilledRun } from './end-of-executor.ts';

const { uid, omitted, seconds, ...rest } = JSON.parse(process.argv[2] ?? '') as KilledRun;
const job = sandboxJobSchema.parse({ argv: ['/usr/bin/sleep', seconds] });
await runNamespace(
  {
    ...rest,
    uids: uid === null ? undefined : new UidPool(uid, () => 0),
    cgroups: noCgroups('left out for a test'),
    backend: '',
    binds: [],
    bunPath: undefined,
    tools: {},
    log: silentLogger,
    setupMs: 20_000,
    leftovers: new Set(),
    omitted: new Set(omitted),
  },
  job,
  'killed',
);
