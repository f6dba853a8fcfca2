/** Signing in a folder with a log that makes checkpoints at once. What is opened ends with the signing folder. */
import { silentLogger, type Logger } from '@labmesh/kit/log';
import { systemClock } from '@labmesh/kit/clock';
import type { Store } from '@labmesh/store/store';
import { Issuer } from '../issuer.ts';
import { SigningFolder } from '../signing-folder.ts';

export const issuerOn = (signing: SigningFolder, store: Store, log: Logger = silentLogger): Issuer =>
  new Issuer({
    signing,
    settings: { verifierId: 'urn:labmesh:arena', validityHours: 24 },
    store,
    clock: systemClock,
    log,
  });

export const openSigning = (folder: string): Promise<SigningFolder> =>
  SigningFolder.open({ folder, clock: systemClock, logOrigin: undefined, checkpointMs: 1 });
