/** `POST /api/backups`: one sealed snapshot as a stream (BK-1). */
import { readFileSync } from 'node:fs';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { PublicKeySource } from '../../backup/backup-public-keys.ts';
import { backupStream } from '../../backup/create-backup.ts';
import type { Store } from '@labmesh/store/store';
import type { Recorder } from '../../recordings/recorder.ts';
import type { HandlersOf } from '../handler.ts';

export function backupHandlers(
  core: { store: Store; recorder: Recorder; nodes: { keyFiles: PublicKeySource } },
  parts: { version: string; keyFile: string | undefined },
): HandlersOf<'create-backup'> {
  const { store, recorder, nodes } = core;
  const keyText = (): string => {
    if (parts.keyFile === undefined)
      throw new FleetError('CONFLICT', {
        message: 'the keys come from CA_ENCRYPTION_KEY: there is no key file to put in',
        hint: 'leave --with-key out',
      });
    return readFileSync(parts.keyFile, 'utf8');
  };
  return {
    'create-backup': async (call) => {
      const { passphrase, withKey, recordings } = call.body;
      const { bytes } = await backupStream({
        store,
        principal: call.caller.principal,
        passphrase,
        publicKeys: nodes.keyFiles,
        release: parts.version,
        ...(withKey && { withKey: keyText() }),
        ...(recordings && { recordings: recorder.folder }),
      });
      const body = new ReadableStream<Uint8Array>({
        pull: async (controller) => {
          const next = await bytes.next();
          if (next.done === true) controller.close();
          else controller.enqueue(next.value);
        },
        cancel: async () => void (await bytes.return(undefined)),
      });
      call.note({ resource: 'backup', details: { withKey, recordings } });
      return new Response(body, { headers: { 'Content-Type': 'application/octet-stream' } });
    },
  };
}
