/** Signing in a folder with a log that makes checkpoints at once. What is opened ends with the signing folder. */
import { dirname } from 'node:path';
import type { KeyFolder } from '@labmesh/attest/keys/key-folder';
import { silentLogger, type Logger } from '@labmesh/kit/log';
import { systemClock } from '@labmesh/kit/clock';
import type { Store } from '@labmesh/store/store';
import { issuerKeys, readIssuerKeySettings } from '../issuer-keys.ts';
import { DraftShelf } from '../draft-shelf.ts';
import { Issuer } from '../issuer.ts';
import { SigningFolder } from '../signing-folder.ts';

export const issuerOn = (signing: SigningFolder, store: Store, log: Logger = silentLogger): Issuer =>
  new Issuer({
    drafts: new DraftShelf(signing.path, log),
    signing,
    settings: { verifierId: 'urn:labmesh:arena', validityHours: 24 },
    store,
    clock: systemClock,
    log,
  });

/** The keys of a data folder, with the key file that is made there. */
export const keysIn = (dataDir: string): KeyFolder =>
  issuerKeys(dataDir, readIssuerKeySettings(undefined, {}), () => {});

/** @param folder `attest` in a data folder @param keys those of the data folder, unless told */
export const openSigning = (
  folder: string,
  log: Logger = silentLogger,
  keys: KeyFolder = keysIn(dirname(folder)),
): Promise<SigningFolder> =>
  SigningFolder.open({
    keys,
    clock: systemClock,
    log,
    logOrigin: undefined,
    checkpointMs: 1,
  });
