/** Makes the file of a part, and the row that goes with it. */
import type { Clock } from '@labmesh/kit/clock';
import type { RecordingsTable } from '@labmesh/store/tables';
import { CastWriter } from '@labmesh/wire/fleet/asciicast';
import type { Tty } from '@labmesh/wire/frame/open';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Sealer } from '../secrets/sealer.ts';
import { PartFile, partContext } from './part-file.ts';
import type { RecorderHealth } from './recorder-health.ts';
import { type RecordingFolder, urlOf } from './recording-folder.ts';
import { partHead } from './session-recording.ts';
import type { SpareFiles } from './spare-files.ts';

export type PartRequest = {
  session: string;
  term: Tty | null;
  command: string | null;
  replicaId: string;
  /** 0 for the first part of a session, more on each replica that takes it over; unique in the session. */
  part: number;
};

export type PartPlace = {
  folder: RecordingFolder;
  health: RecorderHealth;
  spares: Pick<SpareFiles, 'take'>;
  sealer: Sealer;
  clock: Clock;
  graceMs: number;
  stallMs: number;
};

/** What a part will be, before there is a file. */
export type PlannedPart = { row: RecordingsTable; key: Uint8Array; request: PartRequest };

/** The head is in the file. */
export type NewPart = { row: RecordingsTable; file: PartFile; cast: CastWriter };

/** Names a part and makes its key. Nothing is written, so that the row may go elsewhere while the file is made. */
export function planPart({ sealer, clock }: Pick<PartPlace, 'sealer' | 'clock'>, request: PartRequest): PlannedPart {
  const { session, replicaId, part } = request;
  const id = uuidv7();
  const wall = clock.wall();
  const key = Buffer.from(crypto.getRandomValues(new Uint8Array(32)));
  const row: RecordingsTable = {
    id,
    created_at: wall,
    session_id: session,
    replica_id: replicaId,
    part,
    url: urlOf(id, wall),
    bytes: 0,
    sha256: null,
    sealed_key: sealer.seal('recordings', id, 'sealed_key', key),
    ended_at: null,
  };
  return { row, key, request };
}

/** @throws FleetError RECORDING_UNAVAILABLE; no file stays then. */
export async function createPart(place: PartPlace, { row, key, request }: PlannedPart): Promise<NewPart> {
  const { folder, health, spares, clock, graceMs, stallMs } = place;
  const { session, replicaId, part, term, command } = request;
  const path = await folder.place(row.url).catch((error: unknown) => {
    health.failed(error);
    throw health.refusal(error);
  });
  const cast = new CastWriter(clock.now());
  const context = partContext(row.id, session, replicaId, part);
  const options = { path, spares, key, context, health, clock, graceMs, stallMs };
  try {
    return { row, cast, file: await PartFile.create(options, cast.head(partHead(term, command, row.created_at))) };
  } catch (error) {
    folder.forget();
    await folder.remove(row.url);
    throw health.refusal(error);
  }
}
