import { existsSync } from 'node:fs';
import type { World } from '../command.ts';
import { dataFolderPath } from '../data-folder.ts';
import { readRunState } from '../run-file.ts';

/** Where a labd that was installed on this machine is asked as root. */
const adminSocketDefault = '/run/labmesh/labd.sock';

/** The socket that LABCTL_ADMIN_SOCKET names, else that of the `labctl up` which runs on the data folder. */
export function adminSocketPath(env: World['env']): string {
  const named = env['LABCTL_ADMIN_SOCKET'];
  if (named !== undefined && named !== '') return named;
  const running = readRunState(dataFolderPath(env['LABMESH_DATA'], env))?.fleet?.adminSocket;
  // run.json outlives a crash, and so may the socket: labd takes it away when it ends as it should.
  return running !== undefined && existsSync(running) ? running : adminSocketDefault;
}
